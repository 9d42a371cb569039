package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func (p *printer) resources(list []*auditv1.Resource) {
	if len(list) == 0 {
		p.line("No keys.")
		return
	}
	t := table.NewWriter()
	t.SetStyle(plain())
	t.SetColumnConfigs(numbers("VALUES"))
	t.AppendHeader(table.Row{"RESOURCE", "VALUES", "STORED AS", "PROVIDER OR KEY", "KEY_ID", "VAULT KEY", "NOTE"})
	// Secrets are what this is about.
	secretsFirst := slices.Clone(list)
	slices.SortStableFunc(secretsFirst, func(a, b *auditv1.Resource) int { return rank(a) - rank(b) })
	for _, r := range secretsFirst {
		name := r.Resource
		for _, g := range r.Groups {
			t.AppendRow(table.Row{name, g.Values, storedAs(g), g.Name, g.KeyId, vaultKey(g.VaultKeyVersion), note(g)})
			name = ""
		}
	}
	p.table(t)
}

func rank(r *auditv1.Resource) int {
	if r.Resource == "secrets" {
		return 0
	}
	return 1
}

func plain() table.Style {
	s := table.StyleLight
	s.Options = table.OptionsNoBordersAndSeparators
	s.Box.PaddingLeft, s.Box.PaddingRight = "", "  "
	s.Format.Header = text.FormatDefault
	return s
}

func storedAs(g *auditv1.Group) string {
	switch g.Protection {
	case auditv1.Protection_PROTECTION_PLAINTEXT:
		return "PLAINTEXT " + g.Format
	case auditv1.Protection_PROTECTION_MALFORMED:
		return "MALFORMED " + g.Format
	default:
		return g.Format
	}
}

func note(g *auditv1.Group) string {
	var notes []string
	if g.Stale {
		notes = append(notes, "stale")
	}
	if g.Problem != "" {
		notes = append(notes, g.Problem)
	}
	if g.Envelope != "" && g.Envelope != "other" {
		notes = append(notes, g.Envelope)
	}
	if g.Cluster != "" {
		notes = append(notes, "cluster "+g.Cluster)
	}
	if g.Drift != "" && !g.AsConfigured {
		notes = append(notes, g.Drift)
	}
	if g.Rest {
		notes = append(notes, "too many keys to be told apart")
	}
	return strings.Join(notes, ", ")
}
