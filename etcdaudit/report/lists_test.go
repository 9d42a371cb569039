package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
)

func TestTheTableSaysHowManyItDoesNotName(t *testing.T) {
	for n, want := range map[int]string{
		10: "", 11: "and 1 more; --output json lists all", 1000: "and 990 more; --output json lists all",
		1001: "and 991 more; --output json lists the first 1000", 1500: "and 1490 more; --output json lists the first 1000",
	} {
		var v values
		for i := range n {
			v.add(fmt.Sprintf("secrets/default/s%04d", i), stored.Malformed)
		}
		out, _ := written(t, reported(t, v, nil))
		if said := strings.Contains(out, " more;"); said != (want != "") || !strings.Contains(out, want) {
			t.Errorf("%d values, want %q:\n%s", n, want, out)
		}
		if named := strings.Count(out, "secrets default/s"); named != 10 || !strings.Contains(out, "default/s0009") {
			t.Errorf("%d of %d are named", named, n)
		}
	}
}

func TestPlaintextOfEveryKindIsCalledSo(t *testing.T) {
	for format, value := range map[storedvalue.Format]string{
		storedvalue.Protobuf: stored.Plaintext, storedvalue.JSON: "{}", storedvalue.CBOR: "\xd9\xd9\xf7\xa0",
		storedvalue.YAML: "apiVersion: v1\ndata:\n  p: " + stored.Canary + "\nkind: Secret\n", storedvalue.Unrecognised: stored.Canary,
	} {
		out, _ := written(t, reported(t, values{stored.Record("secrets/default/s", value, 1)}, nil))
		if !strings.Contains(out, "PLAINTEXT "+format.String()+"\n") || !strings.Contains(out, "1 of 1 Secret can be read") {
			t.Errorf("%v:\n%s", format, out)
		}
	}
}

// oneLine undoes the breaking of lines.
func oneLine(table string) string { return strings.Join(strings.Fields(table), " ") }

func TestAStandInForEtcdIsNamed(t *testing.T) {
	r := reported(t, mixed(), func(s *record.Scope, _ *audit.Options) { s.StandIn, s.ClusterID, s.Outside = "kine", "", -1 })
	out, _ := written(t, r)
	out = oneLine(out)
	for _, text := range []string{
		"Scope: live values at revision 4711 of kine, which stands in for etcd (https://127.0.0.1:2379), keys under /registry/ Read:",
		"that kine counts at that revision", "keys outside /registry/: kine of this version cannot count them", "free space of the database",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("does not say %q:\n%s", text, out)
		}
	}
	for _, text := range []string{"etcd cluster", "this user may not", "every member", "etcd keeps", "etcd counts"} {
		if strings.Contains(out, text) {
			t.Errorf("says %q:\n%s", text, out)
		}
	}
	if len(r.NotEvaluated) != 5 {
		t.Errorf("%d layers", len(r.NotEvaluated))
	}
}

func TestEveryReasonWhyACheckDoesNotApplyIsShown(t *testing.T) {
	const no = auditv1.Status_STATUS_NOT_APPLICABLE
	c := &auditv1.Check{Id: "EA-104", Status: no, Summary: "first", Results: []*auditv1.Result{{Target: "a", Status: no, Reason: "first"}, {Target: "b", Status: no, Reason: "second"}}}
	if out, _ := written(t, &auditv1.Report{Verdict: &auditv1.Verdict{}, Checks: []*auditv1.Check{c}}); !strings.Contains(out, "EA-104 (a): first\n") || !strings.Contains(out, "EA-104 (b): second\n") {
		t.Errorf("a reason is missing:\n%s", out)
	}
}
