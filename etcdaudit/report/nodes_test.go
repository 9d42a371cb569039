package report_test

import (
	"encoding/csv"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	junit "github.com/joshdk/go-junit"
	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// nodes is a report about two nodes with the same programs. One check fails on both in the
// same words, one on the second only, and one between them.
func nodes() *auditv1.Report {
	const loopback = "https://127.0.0.1:2379"
	r := everything()
	host := r.Scopes[2]
	host.Verdict = &auditv1.Verdict{Status: fail, Text: "finding at or above medium: EA-501", FailOn: medium}
	other := proto.CloneOf(host)
	other.Id, other.Node, other.Text = "host:node-2", "node-2", "host node-2: kubeadm"
	other.Verdict.Text = "finding at or above medium: EA-403, EA-501"
	r.Scopes = append(r.Scopes, other)
	r.Checks = []*auditv1.Check{
		{Id: "EA-403", Title: "etcd listens for clients over https only", Severity: critical, Status: fail, Results: []*auditv1.Result{
			{Target: "etcd", Node: "node-1", Status: pass, Summary: "https only"}, {Target: "etcd", Node: "node-2", Status: fail, Summary: "http", Remediation: "use https"},
		}},
		{Id: "EA-411", Title: "etcd can read its revocation list", Severity: high, Status: open, Results: []*auditv1.Result{{Target: "etcd", Node: "node-1", Status: open, Reason: "it could not be read"}}},
		{Id: "EA-501", Title: "etcd's data directory is closed to others", Severity: high, Status: fail, Results: []*auditv1.Result{
			{Target: "etcd: /var/lib/etcd", Node: "node-1", Status: fail, Summary: "drwxr-xr-x", Remediation: "chmod 0700 /var/lib/etcd"},
			{Target: "etcd: /var/lib/etcd", Node: "node-2", Status: fail, Summary: "drwxr-xr-x", Remediation: "chmod 0700 /var/lib/etcd"},
		}},
		{Id: "EA-601", Title: "All etcds have the same settings", Severity: medium, Status: fail, Results: []*auditv1.Result{{Target: "cipher-suites", Status: fail, Summary: "cipher-suites differs", Remediation: "set the same everywhere"}}},
	}
	r.Listeners = []*auditv1.Listener{{Purpose: "client", Url: loopback, Node: "node-1", TlsVersions: []string{"TLS 1.3"}}, {Purpose: "client", Url: loopback, Node: "node-2", TlsVersions: []string{"TLS 1.3"}}}
	return r
}

// shownIn is the text of an element with an id, in one line, and where its links lead.
func shownIn(t *testing.T, page, id string) (text string, links []string) {
	t.Helper()
	for _, n := range elements(t, page) {
		if own, _ := attribute(n, "id"); own != id {
			continue
		}
		var all strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				all.WriteString(d.Data + " ")
			}
			if to, ok := attribute(d, "href"); ok {
				links = append(links, to)
			}
		}
		return oneLine(all.String()), links
	}
	t.Errorf("there is no #%s", id)
	return "", nil
}

func TestThePageTellsEachNodesVerdictAndFindings(t *testing.T) {
	page := as(t, report.FormatHTML, nodes())
	for id, want := range map[string]struct{ text, links string }{
		"node-node-1": {
			"node-1 ✕ FAIL Finding at or above medium: EA-501 . ✕ FAIL EA-501 high etcd's data directory is closed to others Not evaluated : 1 check",
			"#check-EA-501 #EA-501 #not-evaluated",
		},
		"node-node-2": {
			"node-2 ✕ FAIL Finding at or above medium: EA-403 , EA-501 . ✕ FAIL EA-403 critical etcd listens for clients over https only ✕ FAIL EA-501 high etcd's data directory is closed to others",
			"#check-EA-403 #check-EA-501 #EA-403 #EA-501",
		},
	} {
		if text, links := shownIn(t, page, id); text != want.text || strings.Join(links, " ") != want.links {
			t.Errorf("%s: %q, %q", id, text, links)
		}
	}
	if text, _ := shownIn(t, page, "nodes"); !strings.HasSuffix(text, "On no single node ✕ FAIL EA-601 medium All etcds have the same settings") {
		t.Errorf("%q", text)
	}
	if text, _ := shownIn(t, page, "EA-501"); !strings.HasPrefix(text, "✕ FAIL high node-1 node-2 EA-501 ") || !strings.Contains(text, "Where node-1: etcd: /var/lib/etcd node-2: etcd: /var/lib/etcd What") || strings.Contains(text, "on node-") {
		t.Errorf("%q", text)
	}
	if out := as(t, report.FormatHTML, everything()); strings.Contains(out, `id="nodes"`) || strings.Contains(out, `"#node`) || !strings.Contains(out, "<p>on node-1</p>") {
		t.Error("a report about one node is told apart by nodes")
	}
}

// Findings beyond what the page shows have no anchor of their own.
func TestEveryLinkOfANodeLeadsSomewhere(t *testing.T) {
	r := nodes()
	for range 30 {
		one := proto.CloneOf(r.Checks[2].Results[0])
		one.Summary = strings.Repeat("x", len(r.Checks[2].Results))
		r.Checks[2].Results = append([]*auditv1.Result{one}, r.Checks[2].Results...)
	}
	r.Checks[2].Results[len(r.Checks[2].Results)-1].Summary = "node-2 alone"
	page := as(t, report.FormatHTML, r)
	if _, links := shownIn(t, page, "node-node-2"); links[len(links)-1] != "#check-EA-501" {
		t.Errorf("%q", links)
	}
}

func TestWhatIsToBeDoneFirstNamesItsTargets(t *testing.T) {
	r := everything()
	r.Checks[1].Results = append(r.Checks[1].Results, &auditv1.Result{Target: "EA-305 x", Status: fail, Summary: "over"})
	text, _ := shownIn(t, as(t, report.FormatHTML, r), "first")
	if !strings.Contains(text, "Client addresses demand a client certificate https://192.0.2.1:2379 Start etcd") || !strings.Contains(text, "Secrets are not stored as plaintext Rewrite them") {
		t.Errorf("%q", text)
	}
}

// The single result of the check is no reason to leave out which risk it is.
func TestAnExpiredRiskIsNamedWhereItIsTheOnlyOne(t *testing.T) {
	r := everything()
	r.Checks = []*auditv1.Check{{Id: "EA-701", Title: "No accepted risk has expired", Severity: medium, Status: fail, Results: []*auditv1.Result{{Target: "EA-302 default/db", Status: fail, Summary: "it was in force until 2026-01-01", Remediation: "fix it"}}}}
	for _, want := range []string{"1. EA-701 (medium), EA-302 default/db: fix it", "No accepted risk has expired: EA-302 default/db: it was in force"} {
		if out := oneLine(as(t, report.FormatTable, r)); !strings.Contains(out, want) {
			t.Errorf("no %q:\n%s", want, out)
		}
	}
	if text, _ := shownIn(t, as(t, report.FormatHTML, r), "first"); !strings.Contains(text, "EA-302 default/db Fix it") {
		t.Errorf("%q", text)
	}
}

func TestFilesForProgramsTellNodesApart(t *testing.T) {
	r := nodes()
	suites, err := junit.Ingest([]byte(as(t, report.FormatJUnit, r)))
	if err != nil {
		t.Fatal(err)
	}
	if cases := suites[2].Tests; cases[0].Name != "node-1: etcd: /var/lib/etcd" || cases[1].Name != "node-2: etcd: /var/lib/etcd" {
		t.Errorf("%v", cases)
	}
	if out := as(t, report.FormatSARIF, r); !strings.Contains(out, `"text": "node-2: etcd: /var/lib/etcd: drwxr-xr-x`) {
		t.Error("SARIF does not say which node")
	}
	lines, err := csv.NewReader(strings.NewReader(as(t, report.FormatCSV, r))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	protocols := ""
	for _, line := range lines {
		if line[0] == "protocol" || line[0] == "address" {
			protocols += line[1] + " "
		}
	}
	if protocols != "node-1 node-1 node-2 node-2 " {
		t.Errorf("CSV: %q", protocols)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(strings.NewReader(as(t, report.FormatCycloneDX, r)), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	protocols = ""
	for _, c := range *bom.Components {
		if c.CryptoProperties.AssetType == cdx.CryptoAssetTypeProtocol {
			last := (*c.Properties)[len(*c.Properties)-1]
			protocols += c.BOMRef + " " + last.Name + " " + last.Value + " "
		}
	}
	const one = "protocol:client:https://127.0.0.1:2379:TLS 1.3"
	if protocols != "node-1:"+one+" sealproof:node node-1 node-2:"+one+" sealproof:node node-2 " {
		t.Errorf("CycloneDX: %q", protocols)
	}
}
