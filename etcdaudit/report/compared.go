package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// comparedRow is one way in which values of a resource are stored, beside what the configuration
// says of it.
type comparedRow struct {
	Resource, Should, Is string
	Values               uint32
	Since                string
	Differs              bool
}

// comparedOf compares what is stored with the EncryptionConfiguration: every resource that the
// configuration encrypts, or that has encrypted values. What is plaintext and is to be is left
// out. It is empty where there was no configuration, and of what is not live.
func comparedOf(s *auditv1.Scope) (rows []comparedRow) {
	if len(s.EncryptionConfigFiles) == 0 || s.Layer != "live" {
		return nil
	}
	resources := slices.Clone(s.Resources)
	slices.SortStableFunc(resources, func(a, b *auditv1.Resource) int { return rank(a) - rank(b) })
	for _, r := range resources {
		if !encrypts(r) && r.Encrypted+r.Malformed+r.Unknown == 0 {
			continue
		}
		for _, g := range r.Groups {
			rows = append(rows, comparedRow{
				Resource: r.Resource, Should: shouldBe(r), Is: strings.TrimSpace(storedAs(g) + " " + g.Name + " " + g.KeyId),
				Values: g.Values, Since: since(g), Differs: r.Ruled && !g.AsConfigured,
			})
		}
	}
	return rows
}

// encrypts reports whether new values of a resource are encrypted.
func encrypts(r *auditv1.Resource) bool { return len(r.Providers) > 0 && r.Providers[0] != "identity" }

func shouldBe(r *auditv1.Resource) string {
	switch {
	case !r.Ruled:
		return "not known"
	case r.Entry == "":
		return "plaintext, no entry"
	case !encrypts(r):
		return "plaintext, entry " + r.Entry
	}
	return fmt.Sprintf("%s, entry %s", r.Providers[0], r.Entry)
}

// since says when the oldest value of a group was written.
func since(g *auditv1.Group) string {
	if g.OldestRevision == 0 {
		return ""
	}
	text := fmt.Sprintf("revision %d", g.OldestRevision)
	if b := g.OldestWritten; b.GetNotBefore() != nil || b.GetNotAfter() != nil {
		text += ", " + within(b)
	}
	return text
}

// compared shows what is to be stored and what is.
func (p *printer) compared(s *auditv1.Scope) {
	rows := comparedOf(s)
	if len(rows) == 0 {
		return
	}
	p.line("")
	p.line("Configuration against data:")
	t := table.NewWriter()
	t.SetStyle(plain())
	t.SetColumnConfigs(numbers("VALUES"))
	t.AppendHeader(table.Row{"RESOURCE", "SHOULD BE", "IS", "VALUES", "OLDEST WRITTEN AT"})
	last := ""
	for _, r := range rows {
		name, should := r.Resource, r.Should
		if name == last {
			name, should = "", ""
		}
		last = r.Resource
		t.AppendRow(table.Row{name, should, r.Is, r.Values, r.Since})
	}
	p.table(t)
}
