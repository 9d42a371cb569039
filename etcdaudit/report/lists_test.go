package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func table(t *testing.T, r *auditv1.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Table(&out, r, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheTableSaysHowManyItDoesNotName(t *testing.T) {
	for n, want := range map[int]string{
		10: "", 11: "and 1 more; --output json lists all", 1000: "and 990 more; --output json lists all",
		1001: "and 991 more; --output json lists the first 1000", 1500: "and 1490 more; --output json lists the first 1000",
	} {
		inv := inventory.New("/registry")
		for i := range n {
			inv.Add(fmt.Appendf(nil, "/registry/secrets/default/s%04d", i), []byte("k8s:enc:kms:v2:p:x"), 1)
		}
		out := table(t, build(inv, auditv1.Severity_SEVERITY_MEDIUM))
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
		storedvalue.Protobuf: "k8s\x00" + canary, storedvalue.JSON: "{}", storedvalue.CBOR: "\xd9\xd9\xf7\xa0",
		storedvalue.YAML: "apiVersion: v1\ndata:\n  p: " + canary + "\nkind: Secret\n", storedvalue.Unrecognised: canary,
	} {
		inv := inventory.New("/registry")
		inv.Add([]byte("/registry/secrets/default/s"), []byte(value), 1)
		out := table(t, build(inv, auditv1.Severity_SEVERITY_MEDIUM))
		if !strings.Contains(out, "PLAINTEXT "+format.String()+"\n") || !strings.Contains(out, "1 of 1 Secret can be read") {
			t.Errorf("%v:\n%s", format, out)
		}
	}
}

func TestAStandInForEtcdIsNamed(t *testing.T) {
	inv := store()
	inv.Outside = -1
	from := scope()
	from.StandIn, from.ClusterId = "kine", "0"
	r := report.New(from, &auditv1.Tool{}, rules.Input{Inventory: inv}, auditv1.Severity_SEVERITY_MEDIUM)
	out := table(t, r)
	for _, text := range []string{
		"Scope: live values at revision 4711 of kine, which stands in for etcd (https://127.0.0.1:2379), keys under /registry/\n",
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
