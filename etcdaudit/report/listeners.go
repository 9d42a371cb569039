package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// listeners shows what each address answered to whom: a row for each address, a column for
// each client.
func (p *printer) listeners(list []*auditv1.Listener) {
	if len(list) == 0 {
		return
	}
	var clients []string
	for _, l := range list {
		for _, c := range l.Connections {
			if c.Tls && c.Identity != "" && !slices.Contains(clients, c.Identity) {
				clients = append(clients, c.Identity)
			}
		}
	}
	t := table.NewWriter()
	t.SetStyle(plain())
	header := table.Row{"ADDRESS", "FOR", "ETCD", "PLAINTEXT", "TLS"}
	for _, name := range clients {
		header = append(header, strings.ToUpper(name))
	}
	t.AppendHeader(header)
	for _, l := range list {
		row := table.Row{l.Url, l.Purpose, l.Version, plaintext(l), strings.ReplaceAll(strings.Join(l.TlsVersions, ", "), "TLS ", "")}
		if l.Unreachable != "" {
			row = table.Row{l.Url, l.Purpose, "", l.Unreachable, ""}
		}
		for _, name := range clients {
			row = append(row, answer(l, name))
		}
		t.AppendRow(row)
	}
	p.line("")
	for line := range strings.Lines(t.Render()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
}

// plaintext is what was answered without TLS. A port of TLS may answer with HTTP 400.
func plaintext(l *auditv1.Listener) string {
	tried := false
	for _, c := range l.Connections {
		if c.Tls {
			continue
		}
		tried = true
		if c.Outcome == "answered" && !strings.HasPrefix(c.Said, "HTTP 400") {
			return "answered"
		}
	}
	if !tried {
		return ""
	}
	return "no"
}

// answer is what a client got: the answer to a real request. A handshake shows nothing.
func answer(l *auditv1.Listener, client string) (outcome string) {
	for _, c := range l.Connections {
		if c.Tls && c.Identity == client && !strings.HasPrefix(c.Request, "TLS handshake") {
			if outcome = c.Outcome; outcome == "answered" {
				return outcome
			}
		}
	}
	return outcome
}
