package audit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
)

func scope(cluster string) record.Scope {
	return record.Scope{Layer: record.Live, ClusterID: cluster, Sources: []record.Input{{Name: "https://" + cluster + ":2379"}}, Prefix: "/registry/", Revision: 1}
}

func run(t *testing.T, sources ...record.Source) *auditv1.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), audit.Options{Sources: sources, Groups: rules.Groups{Data: true}, FailOn: auditv1.Severity_SEVERITY_MEDIUM})
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
	for _, text := range []string{"Scope: live values at revision 1 of etcd cluster b", "live:a:/registry/: 1 of 1 Secret can be read", "live:b:/registry/: none of 1 Secret", "Verdict for 3 scopes of live values: FAIL"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), text) {
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
	later.Revision, later.Time, later.Sources = 99, time.Now(), []record.Input{{Name: "https://another-member:2379"}}
	finding := func(r *auditv1.Report) *auditv1.Result { return check(t, r, "EA-101").Results[0] }
	one, two := finding(run(t, source(first, "secrets/default/a", stored.Plaintext))), finding(run(t, source(later, "secrets/default/a", "{}")))
	if one.Fingerprint != two.Fingerprint || one.Objects[0].Fingerprint != two.Objects[0].Fingerprint {
		t.Errorf("%v\n%v", one, two)
	}
	// printf '6:EA-101,4:live,1:a,0:,10:/registry/,7:secrets,7:default,1:a,' | sha256sum | cut -c1-32
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

const wantFingerprint = "c4c46a98e485e557dde65e4eb3fdaf05"

// fileOf is a file of a cluster, in a layer, with one plaintext Secret.
func fileOf(layer record.Layer, cluster, file string) record.Source {
	s := record.Scope{Layer: layer, ClusterID: cluster, Sources: []record.Input{{Name: file, Hash: "sha256:00", Bytes: 8192}}, Prefix: "/registry/"}
	rec := stored.Record("secrets/default/a", stored.Plaintext, 7)
	rec.Origin = record.Origin{Layer: layer, File: file, Offset: 4096}
	return stored.Source{Scope: s, All: []record.Record{rec}}
}

// The copy of yesterday and that of today show the same finding, in two scopes.
func TestTwoSnapshotsOfOneClusterAreTwoScopesWithTheSameFindings(t *testing.T) {
	r := run(t, fileOf(record.Backups, "a", "1.db"), fileOf(record.Backups, "a", "2.db"), fileOf(record.Backups, "b", "2.db"))
	results := check(t, r, "EA-121").Results
	if diff := cmp.Diff([]string{"backups:a:1.db:/registry/", "backups:a:2.db:/registry/", "backups:b:2.db:/registry/"}, []string{results[0].Target, results[1].Target, results[2].Target}); diff != "" {
		t.Error(diff)
	}
	if results[0].Fingerprint != results[1].Fingerprint || results[0].Objects[0].Fingerprint != results[1].Objects[0].Fingerprint {
		t.Errorf("the next snapshot has another finding:\n%v", results)
	}
	if results[0].Fingerprint == results[2].Fingerprint {
		t.Error("two clusters have the same finding")
	}
	want := &auditv1.Object{Resource: "secrets", Namespace: "default", Name: "a", Revision: 7, Origin: &auditv1.Origin{Layer: "backups", File: "1.db", Offset: 4096}}
	if diff := cmp.Diff(want, results[0].Objects[0], protocmp.Transform(), protocmp.IgnoreFields(want, "fingerprint")); diff != "" {
		t.Error(diff)
	}
	var out strings.Builder
	if err := report.Table(&out, r, false); err != nil || strings.Contains(out.String(), "at revision") || strings.Count(out.String(), "EA-104") != 1 || strings.Contains(out.String(), "live values only") {
		t.Errorf("%v: files were read:\n%s", err, &out)
	}
}

func TestTwoKinesOrMembersAreTwoStores(t *testing.T) {
	at := func(kine, member string) record.Source {
		return source(record.Scope{Layer: record.Live, StandIn: kine, Member: member, Sources: []record.Input{{Name: kine}}, Prefix: "/registry/"}, "secrets/default/a", stored.Plaintext)
	}
	results := check(t, run(t, at("unix:///a.sock", ""), at("unix:///b.sock", "")), "EA-101").Results
	if results[0].Target == results[1].Target || results[0].Fingerprint == results[1].Fingerprint {
		t.Errorf("%v", results)
	}
	if other := check(t, run(t, at("unix:///a.sock", "m1")), "EA-101").Results; other[0].Fingerprint == results[0].Fingerprint {
		t.Errorf("%v", other)
	}
}

func TestTheSameFileOfAnotherClusterIsAnotherFinding(t *testing.T) {
	of := func(cluster string) *auditv1.Result {
		o := audit.Options{
			Groups:     rules.Groups{Data: true},
			Sources:    []record.Source{source(scope(cluster), "secrets/default/a", stored.Plaintext)},
			Encryption: stored.Config(t, stored.Entry("secrets", stored.Identity)), EncryptionFile: "/etc/enc.yaml",
		}
		r, err := audit.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return check(t, r, "EA-401").Results[0]
	}
	if a, b := of("a"), of("b"); a.Target != b.Target || a.Fingerprint == "" || a.Fingerprint == b.Fingerprint || !cmp.Equal(a.Identity, []string{"a", "", "/etc/enc.yaml"}) {
		t.Errorf("%v\n%v", a, b)
	}
}

func TestALayerIsNotReadUntilAllOfItIsForThatCluster(t *testing.T) {
	r := run(t, source(scope("a"), "secrets/default/a", stored.Plaintext), fileOf(record.FreePages, "a", "m1/db"), fileOf(record.Backups, "b", "b.db"))
	var names []string
	for _, l := range r.NotEvaluated {
		names = append(names, l.Store+" "+l.Id)
		if l.Name == "" || l.Reason == "" || l.ClearedBy == "" {
			t.Errorf("%v", l)
		}
	}
	want := []string{"a history", "a free-pages", "a wal", "a backups", "b live", "b history", "b free-pages", "b wal", "b backups"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// scopes is a source of nothing.
type scopes []record.Scope

func (s scopes) Scopes() []record.Scope                                { return s }
func (scopes) Read(context.Context, func([]record.Record) error) error { return nil }

// again wants to be read twice, and gives half of it the first time.
type again struct {
	stored.Source
	read *int
}

func (a again) Read(ctx context.Context, add func([]record.Record) error) error {
	if *a.read++; *a.read == 1 {
		return errors.Join(add(a.All[:1]), record.ErrRepeat)
	}
	return a.Source.Read(ctx, add)
}

func TestWhatIsReadAgainIsCountedOnce(t *testing.T) {
	source := again{read: new(int), Source: stored.Source{Scope: scope("a"), All: []record.Record{stored.Record("secrets/default/a", stored.Plaintext, 1), stored.Record("secrets/default/b", stored.Plaintext, 1)}}}
	r, err := audit.Run(t.Context(), audit.Options{Sources: []record.Source{source}, Groups: rules.Groups{Data: true}})
	if err != nil || r.Scopes[0].KeysRead != 2 || *source.read != 2 {
		t.Errorf("%v, read %d times: %v", err, *source.read, r)
	}
}

type failing struct{ stored.Source }

func (failing) Read(context.Context, func([]record.Record) error) error {
	return errors.New("the disk is gone")
}

// One file that changes while it is read must not take what was read of the others with it.
func TestOfSeveralSourcesOneThatCannotBeReadIsMissing(t *testing.T) {
	r := run(t, source(scope("a"), "secrets/default/a", stored.KMSv2("p", "k", 1)), failing{stored.Source{Scope: scope("b")}})
	if len(r.Scopes) != 1 || r.Scopes[0].ClusterId != "a" || r.Verdict.Status != auditv1.Status_STATUS_NOT_EVALUATED {
		t.Errorf("scopes %v, verdict %v", r.Scopes, r.Verdict)
	}
	if !slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool {
		return strings.Contains(l.Name, "etcd cluster b") && strings.Contains(l.Reason, "the disk is gone")
	}) {
		t.Errorf("not evaluated: %v", r.NotEvaluated)
	}
}

func TestWithoutAWholeReadingThereIsNoReport(t *testing.T) {
	outside := stored.Record("secrets/default/a", stored.Plaintext, 1)
	outside.Origin.Layer = record.WAL
	short := scope("a")
	short.Keys = 2
	for want, s := range map[string][]record.Source{
		"the disk is gone":    {failing{stored.Source{Scope: scope("a")}}},
		"in no scope":         {stored.Source{Scope: scope("a"), All: []record.Record{outside}}},
		"nothing to read":     nil,
		"no source has":       {scopes{}},
		"two scopes of":       {scopes{scope("a"), scope("b")}},
		"is read twice":       {stored.Source{Scope: scope("a")}, stored.Source{Scope: scope("a")}},
		"1 keys were read of": {source(short, "secrets/default/a", stored.Plaintext)},
	} {
		if r, err := audit.Run(t.Context(), audit.Options{Sources: s}); r != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, r, err)
		}
	}
}

// damaged has a place that could not be read.
type damaged struct{ stored.Source }

func (damaged) Remains() map[record.Layer]*record.Remains {
	return map[record.Layer]*record.Remains{record.Live: {Damaged: 1}}
}

func TestWhoMayReadSecretsIsNotKnownOfAReadingWithHoles(t *testing.T) {
	role := stored.Source{Scope: scope("a"), All: []record.Record{stored.Record("clusterroles/r", `{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"r"}}`, 1)}}
	inexact := role
	inexact.Scope.Inexact = "the watch has ended"
	for name, tt := range map[string]struct {
		source record.Source
		status auditv1.Status
		says   string
	}{
		"whole":      {role, auditv1.Status_STATUS_PASS, ""},
		"not exact":  {inexact, auditv1.Status_STATUS_NOT_EVALUATED, "the watch has ended"},
		"with holes": {damaged{role}, auditv1.Status_STATUS_NOT_EVALUATED, "1 place could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, tt.source)
			for _, id := range []string{"EA-331", "EA-332", "EA-333"} {
				if c := check(t, r, id); c.Status != tt.status || !strings.Contains(c.Summary, tt.says) {
					t.Errorf("%s: %v, %s", id, c.Status, c.Summary)
				}
			}
		})
	}
}

// interrupted is stopped while its members are compared.
type interrupted struct {
	stored.Source
	stop context.CancelCauseFunc
}

func (i interrupted) Compare(context.Context) *record.Comparison {
	i.stop(errors.New("a signal came"))
	return &record.Comparison{Why: "interrupted"}
}

func TestWhereTheComparisonOfMembersIsInterruptedThereIsNoReport(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	r, err := audit.Run(ctx, audit.Options{Sources: []record.Source{interrupted{stored.Source{Scope: scope("a")}, stop}}, Groups: rules.Groups{Data: true}})
	if r != nil || err == nil || !strings.Contains(err.Error(), "a signal came") {
		t.Errorf("%v, %v", r, err)
	}
}

func TestWhatAServerHasSaidOfAScopeCannotSteerTheTerminal(t *testing.T) {
	said := scope("a")
	said.Inexact = "the watch has ended: \x1b[2J\nPASS"
	r := run(t, source(said, "secrets/default/a", stored.KMSv2("p", "k", 1)))
	var out strings.Builder
	if err := report.Table(&out, r, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Scopes[0].Text, `\x1b[2J`) || strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), "\nPASS") {
		t.Errorf("%q\n%s", r.Scopes[0].Text, out.String())
	}
}
