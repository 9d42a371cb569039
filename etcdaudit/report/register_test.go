package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
	"github.com/sealproof/sealproof/test/stored"
)

// register is that of a cluster and an older copy of it, with all that can be said.
func register(t *testing.T) *auditv1.KeyRegister {
	t.Helper()
	copied := scope()
	copied.Sources = []record.Input{{Name: "/backups/=old.db", Bytes: 1 << 20, Modified: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)}}
	copied.ClusterID, copied.Copy, copied.Revision = "", "snapshot", 14
	live, old := mixed(), values{}
	live.add("secrets/prod/foreign", stored.KMSv2("=cmd()", "aws\x1b[0m", 0))
	for i := range 14 {
		old.add(fmt.Sprintf("secrets/prod/old-%02d", i), stored.KMSv2("sealproof", oldKey, 1, "cluster.sealproof", "prod"))
	}
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := audit.Register(t.Context(), audit.RegisterOptions{
		Sources: []record.Source{stored.Source{Scope: scope(), All: live}, stored.Source{Scope: copied, All: old}},
		Missing: []facts.Missing{{What: "the backup /backups/gone.db", Why: "it is not there"}},
		TransitKeys: []keyusage.TransitKey{{Path: "transit/kubernetes", Latest: 3, MinDecryption: 2, Versions: []keyusage.Version{
			{Number: 1, KeyID: oldKey, Created: created}, {Number: 3, KeyID: "v3.00112233445566778899aabbccddeeff", Created: created.AddDate(0, 10, 0), Listed: true},
		}}},
		Below: 2, MaxAge: 90 * 24 * time.Hour, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		Backups: &keyusage.Backups{Declared: created, By: "Jane Doe", Paths: []string{"/backups/*.db"}}, BackupsFile: "backups.txt",
		Tool: &auditv1.Tool{Name: "etcdaudit", Version: "v0.0.0", Commit: "0000000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheRegisterOfKeys(t *testing.T) {
	r := register(t)
	for _, f := range report.RegisterFormats() {
		var out bytes.Buffer
		if err := report.WriteRegister(&out, f, r, false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), stored.Canary) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s shows a value, or commands for a terminal", f)
		}
		if f == report.FormatJSON {
			golden.CompareJSON(t, "register.json", out.String(), *update)
			continue
		}
		golden.Compare(t, map[report.Format]string{report.FormatTable: "register.txt", report.FormatCSV: "register.csv"}[f], out.String(), *update)
	}
	if err := report.WriteRegister(&bytes.Buffer{}, report.FormatHTML, r, false); err == nil {
		t.Error("a format that is none of a register")
	}
}

func TestARegisterIsReadAsItWasWritten(t *testing.T) {
	r := register(t)
	var out bytes.Buffer
	if err := report.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	got, err := report.ReadRegister(&out, report.Longest)
	if err != nil || !proto.Equal(got, r) {
		t.Errorf("%v", err)
	}
	for name, text := range map[string]string{
		"nothing": "", "an empty object": "{}", "no JSON": "keys", "half of it": text[:len(text)/2], "a report": `{"verdict": {"status": "STATUS_PASS"}, "tool": {"name": "etcdaudit"}}`,
	} {
		if _, err := report.ReadRegister(strings.NewReader(text), report.Longest); !errors.Is(err, report.ErrNotARegister) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := report.ReadRegister(strings.NewReader(text), 10); err == nil || !strings.Contains(err.Error(), "more than 10 bytes") {
		t.Errorf("%v", err)
	}
}

// Names that were chosen elsewhere must not run in a spreadsheet.
func TestNoCellOfARegisterIsAFormula(t *testing.T) {
	var out bytes.Buffer
	if err := report.RegisterCSV(&out, register(t)); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) < 5 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	quoted := false
	for _, line := range lines {
		for _, cell := range line {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@") {
				t.Errorf("%q", cell)
			}
			quoted = quoted || cell == "'=cmd()"
		}
	}
	if !quoted {
		t.Error("the name is missing")
	}
}
