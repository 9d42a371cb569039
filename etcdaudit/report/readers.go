package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// mostReaders is how many rows the table of readers has. JSON has all.
const mostReaders = 20

// readers shows who may read Secrets: those who may read all of them first, since the others
// may be many.
func (p *printer) readers(list []*auditv1.Reader) {
	if len(list) == 0 {
		return
	}
	byReach := slices.Clone(list)
	slices.SortStableFunc(byReach, func(a, b *auditv1.Reader) int { return reach(a) - reach(b) })
	t := table.NewWriter()
	t.SetStyle(plain())
	t.AppendHeader(table.Row{"WHO MAY READ SECRETS", "WHERE", "VERBS", "BY", "ROLE"})
	for _, r := range byReach[:min(len(list), mostReaders)] {
		t.AppendRow(table.Row{r.Kind + " " + r.Name, where(r), strings.Join(r.Verbs, ", "), r.Binding, r.Role})
	}
	p.line("")
	for line := range strings.Lines(t.Render()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
	if more := len(list) - mostReaders; more > 0 {
		p.line("and %d more in --output json", more)
	}
}

func reach(r *auditv1.Reader) int {
	switch {
	case r.Namespace == "" && len(r.Secrets) == 0:
		return 0
	case len(r.Secrets) == 0:
		return 1
	default:
		return 2
	}
}

func where(r *auditv1.Reader) string {
	of := "everywhere"
	if r.Namespace != "" {
		of = "namespace " + r.Namespace
	}
	switch len(r.Secrets) {
	case 0:
		return of
	case 1:
		return of + ": " + r.Secrets[0]
	default:
		return of + ": " + r.Secrets[0] + " and others"
	}
}
