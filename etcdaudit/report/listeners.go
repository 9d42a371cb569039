package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// listeners shows what each address answered to whom: a row for each client.
func (p *printer) listeners(list []*auditv1.Listener) {
	if len(list) == 0 {
		return
	}
	t := table.NewWriter()
	t.SetStyle(plain())
	t.AppendHeader(table.Row{"ADDRESS", "FOR", "ETCD", "PLAINTEXT", "TLS", "CLIENT", "ANSWER"})
	for _, l := range list {
		row := table.Row{l.Url, l.Purpose, l.Version, plaintext(l), strings.ReplaceAll(strings.Join(l.TlsVersions, ", "), "TLS ", "")}
		clients := clientsOf(l)
		switch {
		case l.Unreachable != "":
			t.AppendRow(table.Row{l.Url, l.Purpose, "", l.Unreachable})
		case len(clients) == 0:
			t.AppendRow(row)
		}
		for _, name := range clients {
			t.AppendRow(append(row, name, answer(l, name)))
			row = table.Row{"", "", "", "", ""}
		}
	}
	p.line("")
	p.table(t)
}

func clientsOf(l *auditv1.Listener) (names []string) {
	for _, c := range l.Connections {
		if c.Tls && c.Identity != "" && !slices.Contains(names, c.Identity) {
			names = append(names, c.Identity)
		}
	}
	return names
}

// plaintext is what was answered without TLS. A port of TLS may answer with HTTP 400.
func plaintext(l *auditv1.Listener) (said string) {
	for _, c := range l.Connections {
		switch {
		case c.Tls:
		case letIn(c):
			return "answered"
		case strings.HasPrefix(c.Said, "HTTP ") && !strings.HasPrefix(c.Said, "HTTP 400"):
			said = c.Said
		case said == "":
			said = "no"
		}
	}
	return said
}

// answer is what a client got: that to a Range, where one was asked for, else the best one. A
// handshake shows nothing.
func answer(l *auditv1.Listener, client string) (outcome string) {
	for _, c := range l.Connections {
		if !c.Tls || c.Identity != client || strings.HasPrefix(c.Request, "TLS handshake") {
			continue
		}
		said := c.Outcome
		if said == "answered" && !letIn(c) {
			said = c.Said
		}
		switch {
		case strings.HasPrefix(c.Request, "Range") && said != "mismatch":
			return said
		case letIn(c), outcome == "":
			outcome = said
		}
	}
	return outcome
}

// letIn reports whether a request was served, or denied by etcd's RBAC only. A proxy may
// refuse, or send elsewhere, in HTTP.
func letIn(c *auditv1.Connection) bool {
	if strings.HasPrefix(c.Said, "HTTP ") && !strings.HasPrefix(c.Said, "HTTP 2") {
		return false
	}
	return c.Outcome == "answered" || c.Outcome == "denied"
}
