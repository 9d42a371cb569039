package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
)

var update = flag.Bool("update", false, "write the golden files anew")

const canary = "hunter2"

func kmsV2(keyID string, version int, annotations map[string]string) []byte {
	var b []byte
	field := func(number protowire.Number, content string) {
		b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), content)
	}
	field(1, strings.Repeat("c", 60))
	field(2, keyID)
	field(3, fmt.Sprintf("vault:v%d:abc", version))
	for k, v := range annotations {
		entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), k)
		field(4, string(protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), v)))
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), 1)
	return append([]byte("k8s:enc:kms:v2:sealproof:"), b...)
}

// store is a cluster in the middle of a migration, with damage.
func store() *inventory.Inventory {
	inv := inventory.New("/registry")
	revision := int64(0)
	add := func(key string, value []byte) {
		revision++
		inv.Add([]byte("/registry/"+key), value, revision)
	}
	add("configmaps/kube-system/extension-apiserver-authentication", []byte("k8s\x00"+canary))
	add("deployments/default/web", []byte("k8s\x00"+canary))
	add("example.com/widgets/default/w", []byte(`{"a":"`+canary+`"}`))
	for i := range 25 {
		add(fmt.Sprintf("secrets/default/plain-%02d", i), []byte("k8s\x00"+canary))
	}
	for i := range 3 {
		add(fmt.Sprintf("secrets/prod/old-%d", i), kmsV2("v1.00112233445566778899aabbccddeeff", 1, map[string]string{"cluster.sealproof": "prod"}))
	}
	for i := range 7 {
		add(fmt.Sprintf("secrets/prod/new-%d", i), kmsV2("v2.ffeeddccbbaa99887766554433221100", 2, map[string]string{"cluster.sealproof": "prod"}))
	}
	add("secrets/prod/legacy", []byte("k8s:enc:aescbc:v1:key1:"+strings.Repeat("x", 48)))
	add("secrets/prod/torn", []byte("k8s:enc:kms:v2:sealproof:"+canary))
	add("secrets/prod/strange", []byte("k8s:enc:rot13:v1:"+canary))
	return inv
}

func scope() *auditv1.Scope {
	return &auditv1.Scope{
		Layer: "live values", Revision: 4711, ClusterId: "cdf818194e3a8c32", Endpoints: []string{"https://127.0.0.1:2379"},
		Prefix: "/registry/", Time: timestamppb.New(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)),
	}
}

func build(inv *inventory.Inventory, failOn auditv1.Severity) *auditv1.Report {
	tool := &auditv1.Tool{Name: "etcdaudit", Version: "v0.0.0", Commit: "0000000"}
	from := scope()
	from.KeysCounted = rules.Count(inv.Keys)
	return report.New(from, tool, rules.Input{Inventory: inv}, failOn)
}

func TestReportsLookAsTheyDidBefore(t *testing.T) {
	clean := inventory.New("/registry")
	clean.Add([]byte("/registry/secrets/default/a"), kmsV2("v1.00112233445566778899aabbccddeeff", 1, nil), 1)
	for name, inv := range map[string]*inventory.Inventory{"mixed": store(), "clean": clean, "empty": inventory.New("/registry")} {
		t.Run(name, func(t *testing.T) {
			r := build(inv, auditv1.Severity_SEVERITY_MEDIUM)
			var table, js bytes.Buffer
			if err := report.Table(&table, r, false); err != nil {
				t.Fatal(err)
			}
			if err := report.JSON(&js, r); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, name+".txt", table.String(), *update)
			golden.Compare(t, name+".json", js.String(), *update)
			for _, out := range []string{table.String(), js.String()} {
				if strings.Contains(out, canary) {
					t.Error("a part of a value is in the report")
				}
			}
			if first, _, _ := strings.Cut(table.String(), "\n"); !strings.Contains(first, "live values at revision 4711") {
				t.Errorf("the first line is not the scope: %s", first)
			}
		})
	}
}

func TestJSONCanBeReadBack(t *testing.T) {
	r := build(store(), auditv1.Severity_SEVERITY_MEDIUM)
	var out bytes.Buffer
	if err := report.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	var back auditv1.Report
	if err := protojson.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(r, &back) {
		t.Error("the report is not the same after reading it back")
	}
	var plain struct {
		Checks []struct {
			ID      string
			Objects []struct{ Namespace, Name string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &plain); err != nil {
		t.Fatal(err)
	}
	if n := len(plain.Checks[0].Objects); plain.Checks[0].ID != "EA-101" || n != 25 {
		t.Errorf("%s lists %d Secrets, want all 25", plain.Checks[0].ID, n)
	}
}

func TestTheVerdictFollowsFromTheWorstFinding(t *testing.T) {
	stale := inventory.New("/registry")
	stale.Add([]byte("/registry/secrets/default/a"), kmsV2("k1", 1, nil), 1)
	stale.Add([]byte("/registry/secrets/default/b"), kmsV2("k2", 2, nil), 2)
	tests := []struct {
		name   string
		inv    *inventory.Inventory
		failOn auditv1.Severity
		exit   int
		text   string
	}{
		{"plaintext Secrets fail", store(), auditv1.Severity_SEVERITY_MEDIUM, 1, "EA-101, EA-102, EA-103; below it: EA-104, EA-105"},
		{"only high ones count", store(), auditv1.Severity_SEVERITY_HIGH, 1, "finding at or above high: EA-101; below it: EA-102"},
		{"nothing is that critical", store(), auditv1.Severity_SEVERITY_CRITICAL, 0, "no finding at or above critical"},
		{"stale keys alone pass", stale, auditv1.Severity_SEVERITY_MEDIUM, 0, "no finding at or above medium; below it: EA-104"},
		{"unless they are asked for", stale, auditv1.Severity_SEVERITY_LOW, 1, "EA-104"},
		{"nothing was there to evaluate", inventory.New("/registry"), auditv1.Severity_SEVERITY_MEDIUM, 2, "could not be evaluated: EA-101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := build(tt.inv, tt.failOn)
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
	r := build(store(), auditv1.Severity_SEVERITY_MEDIUM)
	for _, res := range r.Resources {
		for _, g := range res.Groups {
			// sha256sum of the id itself, as in k8s.io/apiserver
			// pkg/storage/value/encrypt/envelope/metrics (getHash).
			if g.KeyId == "v1.00112233445566778899aabbccddeeff" && g.KeyIdHash != wantHash {
				t.Errorf("%s", g.KeyIdHash)
			}
		}
	}
}

// printf v1.00112233445566778899aabbccddeeff | sha256sum
const wantHash = "sha256:144ac0905712deb650f6e4a4058410d0c6a0c98370deb2288d21932dd7410d8e"

func TestKeysThatWereNotReadAreSaidToBeThere(t *testing.T) {
	for outside, want := range map[int64]string{0: "", 7: "keys outside /registry/: 7 in this etcd", -1: "keys outside /registry/: this user may not count them"} {
		inv := store()
		inv.Outside = outside
		r := build(inv, auditv1.Severity_SEVERITY_MEDIUM)
		var out bytes.Buffer
		if err := report.Table(&out, r, false); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(out.String(), "keys outside"); !strings.Contains(out.String(), want) || said != (want != "") {
			t.Errorf("%d keys elsewhere:\n%s", outside, out.String())
		}
	}
}

func TestColourIsOnlyWhereItIsAskedFor(t *testing.T) {
	r := build(store(), auditv1.Severity_SEVERITY_MEDIUM)
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
	if !strings.Contains(coloured.String(), "\x1b[31mFAIL\x1b[0m") {
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
