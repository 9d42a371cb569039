package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	junit "github.com/joshdk/go-junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/golden"
)

// as is a report in a format.
func as(t *testing.T, f report.Format, r *auditv1.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, f, r, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEveryFormatLooksAsItDidBefore(t *testing.T) {
	for format, name := range map[report.Format]string{
		report.FormatTable: "everything.txt", report.FormatHTML: "everything.html", report.FormatSARIF: "everything.sarif", report.FormatJUnit: "everything.xml",
		report.FormatCSV: "everything.csv", report.FormatCycloneDX: "everything.cdx.json",
	} {
		t.Run(string(format), func(t *testing.T) { golden.Compare(t, name, as(t, format, everything()), *update) })
	}
}

// A report without anything in it, as an audit that could not look at anything leaves, and one
// with all that a field can hold.
func TestNoWriterNeedsAnyList(t *testing.T) {
	bare := &auditv1.Report{Verdict: &auditv1.Verdict{}, Tool: &auditv1.Tool{Name: "etcdaudit"}}
	unknown := everything()
	unknown.Checks[0].Results[0].Status, unknown.Checks[0].Status = 99, 99
	for _, format := range report.Formats() {
		for name, r := range map[string]*auditv1.Report{"bare": bare, "none": {}, "unknown status": unknown} {
			var out bytes.Buffer
			if err := report.Write(&out, format, r, false); err != nil {
				t.Errorf("%s, %s: %v", format, name, err)
			}
		}
	}
	var sarifLog struct {
		Runs []struct {
			Invocations []struct {
				ToolExecutionNotifications []struct{ Message struct{ Text string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(as(t, report.FormatSARIF, unknown)), &sarifLog); err != nil {
		t.Fatal(err)
	}
	if said := sarifLog.Runs[0].Invocations[0].ToolExecutionNotifications[0].Message.Text; !strings.HasPrefix(said, "99: ") {
		t.Errorf("an unknown status is %q", said)
	}
}

// moduleDir is where the sources of a module of go.sum are: they bring the schemas.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// valid fails the test where a document does not fit a schema. Others that it refers to are
// given by their addresses.
func valid(t *testing.T, document string, schema []byte, others map[string][]byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	others["https://schema.invalid/main.json"] = schema
	for at, text := range others {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(at, doc); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := c.Compile("https://schema.invalid/main.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(instance); err != nil {
		t.Errorf("%v", err)
	}
}

// sarifSchema is that of OASIS, which go-sarif has in a constant.
func sarifSchema(t *testing.T) []byte {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleDir(t, "github.com/owenrumney/go-sarif/v3"), "pkg/report/v210/sarif/schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	literal, ok := file.Scope.Lookup("schema").Decl.(*ast.ValueSpec).Values[0].(*ast.BasicLit)
	if !ok {
		t.Fatal("the constant is no text")
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

func TestSARIFIsValidAndEveryResultHasAFile(t *testing.T) {
	schema := sarifSchema(t)
	for name, r := range map[string]*auditv1.Report{"everything": everything(), "of data": reported(t, mixed(), nil), "bare": {Tool: &auditv1.Tool{Name: "etcdaudit"}}} {
		out := as(t, report.FormatSARIF, r)
		valid(t, out, schema, map[string][]byte{})
		log, err := sarif.FromString(out)
		if err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		for _, result := range run.Results {
			at := result.Locations[0].PhysicalLocation
			if at.ArtifactLocation.URI == nil || *at.ArtifactLocation.URI == "" || strings.HasPrefix(*at.ArtifactLocation.URI, "/") || *at.Region.StartLine != 1 {
				t.Errorf("%s: %s is in no file", name, *result.RuleID)
			}
			if rule := run.Tool.Driver.Rules[result.RuleIndex]; *rule.ID != *result.RuleID {
				t.Errorf("%s: the rule of %s is %s", name, *result.RuleID, *rule.ID)
			}
		}
	}
	// go-sarif does not tell an empty list from none.
	if out := as(t, report.FormatSARIF, everything()); strings.Count(out, `"suppressions"`) != strings.Count(out, `"ruleIndex"`) {
		t.Error("some results have suppressions, and some do not")
	}
}

func TestSARIFPlacesAResultInTheFileThatItIsAbout(t *testing.T) {
	const url, manifest = "https://192.0.2.1:2379", "/etc/kubernetes/manifests/etcd.yaml"
	for name, tt := range map[string]struct {
		result *auditv1.Result
		want   string
	}{
		"a file":                     {&auditv1.Result{Target: "/etc/kubernetes/enc/my config.yaml"}, "etc/kubernetes/enc/my%20config.yaml"},
		"a file of a program":        {&auditv1.Result{Target: "etcd-node-1: /var/lib/etcd"}, "var/lib/etcd"},
		"a program":                  {&auditv1.Result{Target: "etcd-node-1"}, manifest[1:]},
		"an address":                 {&auditv1.Result{Target: url}, manifest[1:]},
		"a client of an address":     {&auditv1.Result{Target: url + ": kubelet"}, manifest[1:]},
		"an unknown address":         {&auditv1.Result{Target: "https://192.0.2.2:2379"}, "etcdaudit.sarif"},
		"a file in the evidence":     {&auditv1.Result{Target: "kube-apiserver (pid 1)", Evidence: []*auditv1.Evidence{{Source: "process 1"}, {Source: "/a/b"}}}, "a/b"},
		"data":                       {&auditv1.Result{Target: "live:cdf8:/registry/"}, "etcdaudit.sarif"},
		"a name with a colon in it":  {&auditv1.Result{Target: "/a:b/c"}, "./a:b/c"},
		"what a file has":            {&auditv1.Result{Target: "/etc/kubernetes/enc/config.yaml: aescbc key1"}, "etc/kubernetes/enc/config.yaml"},
		"the first of two files":     {&auditv1.Result{Target: "/etc/etcd.yaml + /etc/default/etcd"}, "etc/etcd.yaml"},
		"a directory of a unit":      {&auditv1.Result{Target: "etcd: /var/lib/etcd + /var/lib/wal"}, "var/lib/etcd"},
		"several nodes":              {&auditv1.Result{Target: "cipher-suites", Evidence: []*auditv1.Evidence{{Source: "node-1, /etc/etcd.yaml + /etc/default/etcd"}}}, "etc/etcd.yaml"},
		"a rule of a file":           {&auditv1.Result{Target: "policy", Evidence: []*auditv1.Evidence{{Source: "/etc/audit, all.yaml, rule 3"}}}, "etc/audit,%20all.yaml"},
		"metrics are no file":        {&auditv1.Result{Target: "keys", Evidence: []*auditv1.Evidence{{Source: "kube-apiserver, /metrics"}}}, "etcdaudit.sarif"},
		"the other node's program":   {&auditv1.Result{Target: "etcd-node-1", Node: "node-2"}, "etc/systemd/system/etcd.service"},
		"the other node's loopback":  {&auditv1.Result{Target: "https://127.0.0.1:2379", Node: "node-2"}, "etc/systemd/system/etcd.service"},
		"no program of the node":     {&auditv1.Result{Target: "etcd-node-1", Node: "node-3"}, "etcdaudit.sarif"},
		"the root":                   {&auditv1.Result{Target: "/"}, "./"},
		"a network path is no other": {&auditv1.Result{Target: "//evil.example/x"}, "evil.example/x"},
	} {
		r := everything()
		r.Configurations = append(r.Configurations, &auditv1.Configuration{
			Name: "etcd-node-1", Node: "node-2", Source: "/etc/systemd/system/etcd.service + /etc/default/etcd",
			Settings: []*auditv1.Setting{{Name: "listen-client-urls", Value: "https://127.0.0.1:2379"}},
		})
		tt.result.Status = fail
		r.Checks = []*auditv1.Check{{Id: "EA-999", Title: "x", Severity: high, Results: []*auditv1.Result{tt.result}}}
		log, err := sarif.FromString(as(t, report.FormatSARIF, r))
		if err != nil {
			t.Fatal(err)
		}
		if got := *log.Runs[0].Results[0].Locations[0].PhysicalLocation.ArtifactLocation.URI; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestAnAcceptedFindingIsSuppressedWithItsReason(t *testing.T) {
	log, err := sarif.FromString(as(t, report.FormatSARIF, everything()))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(log.Runs[0].Results, func(r *sarif.Result) bool { return *r.RuleID == "EA-317" })
	s := log.Runs[0].Results[i].Suppressions
	const want = "kubeadm makes one CA; compensating control: peer port closed by a firewall; accepted by platform team until 2027-01-01"
	if len(s) != 1 || *s[0].Kind != "external" || *s[0].Status != "accepted" || *s[0].Justification != want {
		t.Errorf("%v", s)
	}
}

func TestJUnitCountsWhatFailsTheAudit(t *testing.T) {
	suites, err := junit.Ingest([]byte(as(t, report.FormatJUnit, everything())))
	if err != nil {
		t.Fatal(err)
	}
	var total junit.Totals
	for _, s := range suites {
		total.Passed += s.Totals.Passed
		total.Failed += s.Totals.Failed
		total.Skipped += s.Totals.Skipped
		total.Error += s.Totals.Error
	}
	// EA-305 is below the severity that fails.
	if want := (junit.Totals{Passed: 2, Failed: 4, Skipped: 6, Error: 1}); total != want {
		t.Errorf("%+v, want %+v", total, want)
	}
	failed := suites[0].Tests[0]
	if failed.Classname != "etcdaudit.EA-101" || !strings.Contains(failed.Message, "3 of 7 Secrets can be read") {
		t.Errorf("%+v", failed)
	}
}

func TestCSVRunsNoFormula(t *testing.T) {
	r := everything()
	r.Certificates[0].Subject = `=HYPERLINK("https://evil.example","a, ""b""")`
	r.PrivateKeys[0].File, r.PrivateKeys[1].File, r.PrivateKeys[2].File = "+1", "@SUM(1)", "-1"
	lines, err := csv.NewReader(strings.NewReader(as(t, report.FormatCSV, r))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		for i, cell := range line {
			if days := lines[0][i] == "days_left"; !days && cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %s", cell)
			}
		}
	}
	if lines[1][3] != "'"+r.Certificates[0].Subject || lines[3][7] != "-1" {
		t.Errorf("%q, %q", lines[1], lines[3])
	}
}

func TestCycloneDXIsValidAndItsReferencesLeadSomewhere(t *testing.T) {
	dir := filepath.Join(moduleDir(t, "github.com/CycloneDX/cyclonedx-go"), "schema")
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	twice := everything()
	twice.Certificates = append(twice.Certificates, twice.Certificates...)
	for name, r := range map[string]*auditv1.Report{"everything": everything(), "of data": reported(t, mixed(), nil), "bare": {}, "twice the same": twice} {
		out := as(t, report.FormatCycloneDX, r)
		valid(t, out, read("bom-1.6.schema.json"), map[string][]byte{
			"http://cyclonedx.org/schema/spdx.schema.json": read("spdx.schema.json"), "http://cyclonedx.org/schema/jsf-0.82.schema.json": read("jsf-0.82.schemax.json"),
		})
		var bom cdx.BOM
		if err := cdx.NewBOMDecoder(strings.NewReader(out), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		if bom.Components == nil { // the bare one
			continue
		}
		refs := map[string]bool{"": true}
		for _, c := range *bom.Components {
			if refs[c.BOMRef] {
				t.Errorf("%s: %q twice", name, c.BOMRef)
			}
			refs[c.BOMRef] = true
		}
		for _, c := range *bom.Components {
			p := c.CryptoProperties
			var to []cdx.BOMReference
			if p.CertificateProperties != nil {
				to = append(to, p.CertificateProperties.SignatureAlgorithmRef, p.CertificateProperties.SubjectPublicKeyRef)
			}
			if p.RelatedCryptoMaterialProperties != nil {
				to = append(to, p.RelatedCryptoMaterialProperties.AlgorithmRef)
			}
			if p.ProtocolProperties != nil && p.ProtocolProperties.CryptoRefArray != nil {
				to = append(to, *p.ProtocolProperties.CryptoRefArray...)
			}
			for _, ref := range to {
				if !refs[string(ref)] {
					t.Errorf("%s: %s leads to %q, which is not there", name, c.BOMRef, ref)
				}
			}
		}
	}
}

func TestPostQuantumReadinessIsToldByTheGroups(t *testing.T) {
	levels := map[string]string{}
	var bom cdx.BOM
	r := everything()
	r.Listeners[0].Groups = []string{"x25519", "secp384r1", "X25519MLKEM768", "SecP384r1MLKEM1024", "a group that is not known"}
	r.Certificates[0].PublicKey = "ML-DSA-65"
	if err := cdx.NewBOMDecoder(strings.NewReader(as(t, report.FormatCycloneDX, r)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	for _, c := range *bom.Components {
		if p := c.CryptoProperties.AlgorithmProperties; p != nil {
			levels[c.Name] = "none"
			if p.NistQuantumSecurityLevel != nil {
				levels[c.Name] = strconv.Itoa(*p.NistQuantumSecurityLevel)
			}
		}
	}
	for name, want := range map[string]string{
		"x25519": "0", "secp384r1": "0", "X25519MLKEM768": "3", "SecP384r1MLKEM1024": "5", "a group that is not known": "none", "ML-DSA-65": "3", "RSA 2048": "0", "ECDSA-SHA256": "0",
		"AES-256-GCM": "5", "AES-CBC": "none",
	} {
		if levels[name] != want {
			t.Errorf("%s: level %q, want %q", name, levels[name], want)
		}
	}
	for _, tt := range []struct {
		groups     []string
		enumerated bool
		want       string
	}{
		{[]string{"x25519", "X25519MLKEM768"}, false, "offered X25519MLKEM768"}, {[]string{"x25519"}, true, "not offered"}, {[]string{"x25519"}, false, "not known"}, {nil, true, "not known"},
	} {
		r.Listeners[0].Groups, r.Listeners[0].Enumerated = tt.groups, tt.enumerated
		if out := as(t, report.FormatCSV, r); !strings.Contains(out, "post-quantum key exchange "+tt.want+"\n") {
			t.Errorf("%v, %v: not %q", tt.groups, tt.enumerated, tt.want)
		}
	}
}

// The keys of an EncryptionConfiguration are judged by their length.
func TestKeysOfProvidersAreOfAnAlgorithm(t *testing.T) {
	for kind, want := range map[string][3]string{
		"aescbc, 32 bytes":    {"secret key", "AES-256-CBC", "5"},
		"aescbc, 24 bytes":    {"secret key", "AES-192-CBC", "3"},
		"aesgcm, 16 bytes":    {"secret key", "AES-128-GCM", "1"},
		"aescbc, 7 bytes":     {"secret key", "AES-CBC", ""},
		"secretbox, 32 bytes": {"secret key", "XSalsa20-Poly1305", "5"},
		"ECDSA P-256":         {"private key", "ECDSA P-256", "0"},
	} {
		r := &auditv1.Report{PrivateKeys: []*auditv1.PrivateKey{{File: "/key", Kind: kind}}}
		lines, err := csv.NewReader(strings.NewReader(as(t, report.FormatCSV, r))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		safe := map[string]string{"": "", "0": "no"}[want[2]]
		if want[2] > "0" {
			safe = "yes"
		}
		if line := lines[1]; line[0] != want[0] || line[4] != want[1] || line[9] != safe {
			t.Errorf("%s: CSV: %q", kind, line)
		}
		var bom cdx.BOM
		if err := cdx.NewBOMDecoder(strings.NewReader(as(t, report.FormatCycloneDX, r)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		algorithm, key := (*bom.Components)[0], (*bom.Components)[1].CryptoProperties.RelatedCryptoMaterialProperties
		level := ""
		if l := algorithm.CryptoProperties.AlgorithmProperties.NistQuantumSecurityLevel; l != nil {
			level = strconv.Itoa(*l)
		}
		if algorithm.Name != want[1] || level != want[2] || string(key.AlgorithmRef) != algorithm.BOMRef || string(key.Type) != strings.ReplaceAll(want[0], " ", "-") {
			t.Errorf("%s: CycloneDX: %s, level %q, %s", kind, algorithm.Name, level, key.Type)
		}
	}
}

// What is told relative to now would make a stored report say something else each day.
func TestDaysAreCountedFromTheReport(t *testing.T) {
	// 9999-12-31 stands for no end (RFC 5280, 4.1.2.5).
	for days, want := range map[int]string{-1: "✕ expired", 0: "0 days left", 1: "1 day left", 400: "400 days left", 2912118: "2912118 days left"} {
		r := everything()
		r.Certificates = r.Certificates[:1]
		r.Certificates[0].NotAfter = at(days)
		if out := as(t, report.FormatHTML, r); !strings.Contains(out, ">"+want+"<") {
			t.Errorf("%d days: not %q", days, want)
		}
	}
	r := everything()
	for _, s := range r.Scopes {
		s.Time = nil
	}
	if out := as(t, report.FormatHTML, r); strings.Contains(out, "days left") {
		t.Error("days are counted from nothing")
	}
}

func TestALargeReportMakesAPageThatCanBeRead(t *testing.T) {
	r := everything()
	secrets := r.Checks[0].Results[0]
	secrets.Count, secrets.Objects = 100_000, nil
	for i := range 100_000 {
		secrets.Objects = append(secrets.Objects, &auditv1.Object{Resource: "secrets", Namespace: "default", Name: fmt.Sprintf("s-%06d", i)})
		if i < 20_000 {
			r.Readers = append(r.Readers, &auditv1.Reader{Kind: "User", Name: fmt.Sprintf("u-%06d", i)})
			r.Certificates = append(r.Certificates, &auditv1.Certificate{Fingerprint: fmt.Sprintf("sha256:%064d", i), Subject: "CN=x", NotAfter: at(i)})
			r.Checks[1].Results = append(r.Checks[1].Results, &auditv1.Result{Target: fmt.Sprintf("https://192.0.2.1:%d", i), Status: fail, Summary: fmt.Sprint(i)})
		}
	}
	start := time.Now()
	out := as(t, report.FormatHTML, r)
	t.Logf("%d bytes in %v", len(out), time.Since(start))
	if len(out) > 1<<20 {
		t.Errorf("%d bytes", len(out))
	}
	for _, text := range []string{"and 99960 more", "secrets default/s-000039", "and 19976 more results of EA-302"} {
		if !strings.Contains(out, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
}
