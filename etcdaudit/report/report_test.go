package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
	"github.com/sealproof/sealproof/test/stored"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scope is what every test here says that it has read.
func scope() record.Scope {
	return record.Scope{
		Layer: record.Live, Revision: 4711, ClusterID: "cdf818194e3a8c32", Sources: []record.Input{{Name: "https://127.0.0.1:2379"}},
		Prefix: "/registry/", Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
}

// values are live values with a revision each, in the order in which they were added.
type values []record.Record

func (v *values) add(key, value string) {
	*v = append(*v, stored.Record(key, value, int64(len(*v))+1))
}

// mixed is a cluster in the middle of a migration, with damage.
func mixed() (v values) {
	v.add("configmaps/kube-system/extension-apiserver-authentication", stored.Plaintext)
	v.add("deployments/default/web", stored.Plaintext)
	v.add("example.com/widgets/default/w", `{"a":"`+stored.Canary+`"}`)
	for i := range 12 {
		v.add(fmt.Sprintf("secrets/default/plain-%02d", i), stored.Plaintext)
	}
	for i := range 3 {
		v.add(fmt.Sprintf("secrets/prod/old-%d", i), stored.KMSv2("sealproof", oldKey, 1, "cluster.sealproof", "prod"))
	}
	for i := range 7 {
		v.add(fmt.Sprintf("secrets/prod/new-%d", i), stored.KMSv2("sealproof", "v2.ffeeddccbbaa99887766554433221100", 2, "cluster.sealproof", "prod"))
	}
	v.add("secrets/prod/legacy", stored.Keyed("aescbc", "key1", ""))
	v.add("secrets/prod/torn", "k8s:enc:kms:v2:sealproof:"+stored.Canary)
	v.add("secrets/prod/strange", stored.Unknown)
	return v
}

const oldKey = "v1.00112233445566778899aabbccddeeff"

// reported is the report about these values.
func reported(t *testing.T, v values, edit func(*record.Scope, *audit.Options)) *auditv1.Report {
	t.Helper()
	from := scope()
	o := audit.Options{FailOn: auditv1.Severity_SEVERITY_MEDIUM, Groups: rules.Groups{Data: true}, Tool: &auditv1.Tool{Name: "etcdaudit", Version: "v0.0.0", Commit: "0000000"}}
	if edit != nil {
		edit(&from, &o)
	}
	o.Sources = []record.Source{stored.Source{Scope: from, All: v}}
	r, err := audit.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// written are the table and the JSON, neither of which shows a value.
func written(t *testing.T, r *auditv1.Report) (table, js string) {
	t.Helper()
	var tableOut, jsonOut bytes.Buffer
	if err := errors.Join(report.Table(&tableOut, r, false), report.JSON(&jsonOut, r)); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{tableOut.String(), jsonOut.String()} {
		if strings.Contains(out, stored.Canary) {
			t.Error("a part of a value is in the report")
		}
	}
	return tableOut.String(), jsonOut.String()
}

func TestReportsLookAsTheyDidBefore(t *testing.T) {
	clean := values{stored.Record("secrets/default/a", stored.KMSv2("sealproof", oldKey, 1), 1)}
	for name, v := range map[string]values{"mixed": mixed(), "clean": clean, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			table, _ := written(t, reported(t, v, nil))
			golden.Compare(t, name+".txt", table, *update)
			if first, _, _ := strings.Cut(table, "\n"); !strings.Contains(first, "live values at revision 4711") {
				t.Errorf("the first line is not the scope: %s", first)
			}
		})
	}
}

func TestJSONCanBeReadBack(t *testing.T) {
	r := reported(t, mixed(), nil)
	_, js := written(t, r)
	var back auditv1.Report
	if err := protojson.Unmarshal([]byte(js), &back); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(r, &back) {
		t.Error("the report is not the same after reading it back")
	}
	var plain struct {
		Checks []struct {
			ID      string
			Results []struct {
				Objects []struct{ Namespace, Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(js), &plain); err != nil {
		t.Fatal(err)
	}
	if n := len(plain.Checks[0].Results[0].Objects); plain.Checks[0].ID != "EA-101" || n != 12 {
		t.Errorf("%s lists %d Secrets, want all 12", plain.Checks[0].ID, n)
	}
}

func TestTheVerdictFollowsFromTheWorstFinding(t *testing.T) {
	var stale values
	stale.add("secrets/default/a", stored.KMSv2("sealproof", "k1", 1))
	stale.add("secrets/default/b", stored.KMSv2("sealproof", "k2", 2))
	tests := []struct {
		name   string
		values values
		failOn auditv1.Severity
		exit   int
		text   string
	}{
		{"plaintext Secrets fail", mixed(), auditv1.Severity_SEVERITY_MEDIUM, 1, "EA-101, EA-102, EA-103; below it: EA-104, EA-105"},
		{"only high ones count", mixed(), auditv1.Severity_SEVERITY_HIGH, 1, "finding at or above high: EA-101; below it: EA-102"},
		{"nothing is that critical", mixed(), auditv1.Severity_SEVERITY_CRITICAL, 0, "no finding at or above critical"},
		{"stale keys alone pass", stale, auditv1.Severity_SEVERITY_MEDIUM, 0, "no finding at or above medium; below it: EA-104"},
		{"unless they are asked for", stale, auditv1.Severity_SEVERITY_LOW, 1, "EA-104"},
		{"nothing was there to evaluate", nil, auditv1.Severity_SEVERITY_MEDIUM, 2, "could not be evaluated: EA-101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reported(t, tt.values, func(_ *record.Scope, o *audit.Options) { o.FailOn = tt.failOn })
			if got := report.ExitStatus(r); got != tt.exit || !strings.Contains(r.Verdict.Text, tt.text) {
				t.Errorf("exit %d, %q; want %d, %q", got, r.Verdict.Text, tt.exit, tt.text)
			}
		})
	}
	if report.ExitStatus(&auditv1.Report{}) == 0 {
		t.Error("a report without a verdict passes")
	}
}

func TestKeyIDsCarryTheHashOfTheAPIServersMetrics(t *testing.T) {
	r := reported(t, mixed(), nil)
	for _, res := range r.Scopes[0].Resources {
		for _, g := range res.Groups {
			// sha256sum of the id itself, as in k8s.io/apiserver
			// pkg/storage/value/encrypt/envelope/metrics (getHash).
			if g.KeyId == oldKey && g.KeyIdHash != wantHash {
				t.Errorf("%s", g.KeyIdHash)
			}
		}
	}
}

// printf v1.00112233445566778899aabbccddeeff | sha256sum
const wantHash = "sha256:144ac0905712deb650f6e4a4058410d0c6a0c98370deb2288d21932dd7410d8e"

func TestKeysThatWereNotReadAreSaidToBeThere(t *testing.T) {
	for outside, want := range map[int64]string{0: "", 7: "keys outside /registry/: 7 in this etcd", -1: "keys outside /registry/: this user may not count them"} {
		table, _ := written(t, reported(t, mixed(), func(s *record.Scope, _ *audit.Options) { s.Outside = outside }))
		if said := strings.Contains(table, "keys outside"); !strings.Contains(table, want) || said != (want != "") {
			t.Errorf("%d keys elsewhere:\n%s", outside, table)
		}
	}
}

func TestColourIsOnlyWhereItIsAskedFor(t *testing.T) {
	r := reported(t, mixed(), nil)
	var plain, coloured bytes.Buffer
	if err := report.Table(&plain, r, false); err != nil {
		t.Fatal(err)
	}
	if err := report.Table(&coloured, r, true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("escape sequences without colour")
	}
	if !strings.Contains(coloured.String(), "\x1b[31;1mFAIL\x1b[0m") {
		t.Error("FAIL is not red")
	}
}

func TestSeveritiesAreReadStrictly(t *testing.T) {
	for _, good := range []string{"info", "low", "medium", "high", "critical"} {
		if _, err := report.ParseSeverity(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "unspecified", "High", "severe", "severity_high"} {
		if _, err := report.ParseSeverity(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
