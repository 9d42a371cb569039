package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
)

func scope(cluster string) record.Scope {
	return record.Scope{Layer: record.Live, ClusterID: cluster, Sources: []string{"https://" + cluster + ":2379"}, Prefix: "/registry/", Revision: 1, Keys: 1}
}

func run(t *testing.T, sources ...record.Source) *auditv1.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), audit.Options{Sources: sources, FailOn: auditv1.Severity_SEVERITY_MEDIUM})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func source(scope record.Scope, key, value string) record.Source {
	return stored.Source{Scope: scope, All: []record.Record{stored.Record(key, value, 7)}}
}

// check returns a check of a report by its id.
func check(t *testing.T, r *auditv1.Report, id string) *auditv1.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Id == id {
			return c
		}
	}
	t.Fatalf("there is no check %s", id)
	return nil
}

func TestEachScopeHasAResultOfItsOwn(t *testing.T) {
	r := run(t, source(scope("a"), "secrets/default/plain", stored.Plaintext), source(scope("b"), "secrets/default/sealed", stored.KMSv2("p", "k", 1)),
		source(scope("c"), "default/plain", stored.Plaintext))
	var ids, targets, sources []string
	for _, s := range r.Scopes {
		ids = append(ids, s.Id)
	}
	c := check(t, r, "EA-101")
	for _, result := range c.Results {
		targets = append(targets, result.Target)
		sources = append(sources, result.Evidence[0].Source)
	}
	if want := []string{"live:a:/registry/", "live:b:/registry/", "live:c:/registry/"}; !cmp.Equal(want, ids) || !cmp.Equal(want, targets) {
		t.Errorf("scopes %q, targets %q", ids, targets)
	}
	if !strings.Contains(sources[1], "etcd cluster b (https://b:2379)") {
		t.Errorf("evidence from %q", sources)
	}
	if c.Status != auditv1.Status_STATUS_FAIL || c.Summary != c.Results[0].Summary || c.Results[1].Status != auditv1.Status_STATUS_PASS {
		t.Errorf("%v", c)
	}
	var out strings.Builder
	if err := report.Table(&out, r, false); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Scope: live values at revision 1 of etcd cluster b", "live:a:/registry/: 1 of 1 Secret can be read", "live:b:/registry/: none of 1 Secret", "Verdict for 3 scopes: FAIL"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the table does not say %q:\n%s", text, out.String())
		}
	}
}

// A finding below --fail-on in one scope must not hide that another was not evaluated.
func TestAFindingHidesNothingThatWasNotEvaluated(t *testing.T) {
	var stale []record.Record
	for i, key := range []string{"old", "new"} {
		stale = append(stale, stored.Record("secrets/default/"+key, stored.KMSv2("p", key, i+1), int64(i+1)))
	}
	r := run(t, stored.Source{Scope: scope("a"), All: stale}, stored.Source{Scope: scope("b")})
	if c := check(t, r, "EA-104"); c.Status != auditv1.Status_STATUS_WARN || report.ExitStatus(r) != report.ExitNotEvaluated || !strings.Contains(r.Verdict.Text, "EA-104") {
		t.Errorf("%v: %v", c.Status, r.Verdict)
	}
}

func TestAFingerprintIsTheSameInTheNextRunAndForNothingElse(t *testing.T) {
	first := scope("a")
	later := first
	later.Revision, later.Time, later.Sources = 99, time.Now(), []string{"https://another-member:2379"}
	finding := func(r *auditv1.Report) *auditv1.Result { return check(t, r, "EA-101").Results[0] }
	one, two := finding(run(t, source(first, "secrets/default/a", stored.Plaintext))), finding(run(t, source(later, "secrets/default/a", "{}")))
	if one.Fingerprint != two.Fingerprint || one.Objects[0].Fingerprint != two.Objects[0].Fingerprint {
		t.Errorf("%v\n%v", one, two)
	}
	// printf '6:EA-101,17:live:a:/registry/,7:secrets,7:default,1:a,' | sha256sum | cut -c1-32
	if got := one.Objects[0].Fingerprint; got != wantFingerprint {
		t.Errorf("%s is not what proto/README.md describes", got)
	}
	seen := map[string]bool{one.Fingerprint: true, one.Objects[0].Fingerprint: true}
	for _, other := range []record.Source{source(first, "secrets/default/b", stored.Plaintext), source(first, "secrets/other/a", stored.Plaintext), source(scope("b"), "secrets/default/a", stored.Plaintext)} {
		f := finding(run(t, other)).Objects[0].Fingerprint
		if seen[f] {
			t.Errorf("%s names two findings", f)
		}
		seen[f] = true
	}
	if passed := check(t, run(t, source(first, "secrets/default/a", stored.KMSv2("p", "k", 1))), "EA-101").Results[0]; passed.Fingerprint != "" {
		t.Errorf("what is no finding has a fingerprint: %v", passed)
	}
}

const wantFingerprint = "bac330d1491cc2fc82bfd95502cd9804"

func TestALayerThatIsReadIsNotListedAsNotRead(t *testing.T) {
	snapshot := scope("a")
	snapshot.Layer, snapshot.Hash = record.Backups, "sha256:00"
	rec := stored.Record("secrets/default/a", stored.Plaintext, 7)
	rec.Origin = record.Origin{Layer: record.Backups, File: "a.db", Offset: 4096}
	r := run(t, stored.Source{Scope: snapshot, All: []record.Record{rec}})
	var names []string
	for _, l := range r.NotEvaluated {
		names = append(names, l.Id)
		if l.Name == "" || l.Reason == "" || l.ClearedBy == "" {
			t.Errorf("%v", l)
		}
	}
	if diff := cmp.Diff([]string{"live", "history", "free-pages", "wal"}, names); diff != "" {
		t.Error(diff)
	}
	want := &auditv1.Object{Resource: "secrets", Namespace: "default", Name: "a", Revision: 7, Origin: "a.db at byte 4096"}
	if diff := cmp.Diff(want, check(t, r, "EA-101").Results[0].Objects[0], protocmp.Transform(), protocmp.IgnoreFields(want, "fingerprint")); diff != "" {
		t.Error(diff)
	}
}

type failing struct{ stored.Source }

func (failing) Read(context.Context, func([]record.Record) error) error {
	return errors.New("the disk is gone")
}

func TestWithoutAWholeReadingThereIsNoReport(t *testing.T) {
	outside := stored.Record("secrets/default/a", stored.Plaintext, 1)
	outside.Origin.Layer = record.WAL
	for want, s := range map[string]record.Source{
		"the disk is gone": failing{stored.Source{Scope: scope("a")}},
		"in no scope":      stored.Source{Scope: scope("a"), All: []record.Record{outside}},
	} {
		if r, err := audit.Run(t.Context(), audit.Options{Sources: []record.Source{s}}); r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v", r, err)
		}
	}
}
