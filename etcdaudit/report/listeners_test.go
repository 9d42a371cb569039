package report_test

import (
	"strings"
	"testing"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// connection is one over TLS, unless it has no client.
func connection(client, request, outcome, said string) *auditv1.Connection {
	return &auditv1.Connection{Tls: client != "", Identity: client, Request: request, Outcome: outcome, Said: said}
}

func TestEachClientOfAnAddressHasARow(t *testing.T) {
	r := &auditv1.Report{
		Verdict: &auditv1.Verdict{Status: auditv1.Status_STATUS_FAIL, Text: strings.Repeat("EA-301, ", 30)},
		Scopes:  []*auditv1.Scope{{Text: strings.Repeat("a long scope ", 20), Layer: "wire", LayerName: "TLS and access"}},
		Listeners: []*auditv1.Listener{
			{Url: "https://etcd-0.control-plane.internal.example:2379", Purpose: "client", Version: "3.7.3", TlsVersions: []string{"TLS 1.2", "TLS 1.3"}, Connections: []*auditv1.Connection{
				connection("", "GET /version", "mismatch", "HTTP 400"), connection("", "Range /registry/", "mismatch", "closed"),
				connection("none", "TLS handshake", "answered", ""), connection("none", "Range /registry/", "refused", "certificate required"),
				connection("own", "Range /registry/", "answered", "OK"), connection("a-kubelet-of-another-node", "Range /registry/", "denied", "permission denied"),
				connection("expired", "TLS handshake with a part of all suites", "answered", ""), connection("expired", "Range /registry/", "refused", "expired certificate"),
			}},
			{Url: "https://192.0.2.1:2380", Purpose: "peer", Connections: []*auditv1.Connection{connection("", "GET /version", "answered", "HTTP 301"), connection("none", "GET /version", "answered", "HTTP 403")}},
			{Url: "http://192.0.2.1:4001", Purpose: "client", Connections: []*auditv1.Connection{connection("", "Range /registry/", "denied", "permission denied")}},
			{Url: "http://192.0.2.1:2381", Purpose: "metrics", Unreachable: "nothing listens there"},
		},
		Checks: []*auditv1.Check{{Id: "EA-305", Title: strings.Repeat("A long title ", 9), Status: auditv1.Status_STATUS_WARN, Severity: auditv1.Severity_SEVERITY_LOW, Results: []*auditv1.Result{{
			Status: auditv1.Status_STATUS_WARN, Count: 1, Remediation: strings.Repeat("do this ", 30),
			Objects: []*auditv1.Object{{Resource: "certificate", Name: "/etc/kubernetes/pki/apiserver-etcd-client.crt", Detail: strings.Repeat("a long detail ", 9)}},
		}}}},
	}
	table, _ := written(t, r)
	for _, row := range []string{
		"https://etcd-0.control-plane.internal.example:2379 client 3.7.3 no 1.2, 1.3 none refused",
		"own answered", "a-kubelet-of-another-node denied", "expired refused",
		"https://192.0.2.1:2380 peer HTTP 301 none HTTP 403", "http://192.0.2.1:4001 client answered", "http://192.0.2.1:2381 metrics nothing listens there",
	} {
		if !strings.Contains(oneLine(table), row) {
			t.Errorf("no row %q:\n%s", row, table)
		}
	}
	for line := range strings.Lines(table) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 100 && !strings.HasPrefix(line, "https://etcd-0") && !strings.Contains(line, "ADDRESS") && !strings.HasPrefix(line, "http") && !strings.HasPrefix(line, "   ") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
