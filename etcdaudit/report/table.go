package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// listed is how many objects of a finding the table names.
const listed = 10

// Table writes the report for people. Each scope comes before what was found in it, and
// before the checks: nothing is to be read without them.
func Table(w io.Writer, r *auditv1.Report, colours term.Colours) error {
	p := &printer{colours: colours}
	live := true
	for _, s := range r.Scopes {
		p.line("Scope: %s", s.Text)
		read := fmt.Sprintf("Read: %d keys with %s of values", s.KeysRead, size(s.ValueBytes))
		if s.Revision != 0 {
			read += fmt.Sprintf(", all of the %d that %s counts at that revision", s.KeysCounted, cmp.Or(s.StandIn, "etcd"))
		}
		p.line("%s", read)
		live = live && s.Layer == "live"
		for _, f := range s.EncryptionConfigFiles {
			p.line("Compared with: %s, one API server's file; another's may differ and was not looked at", f)
		}
		p.line("")
		p.resources(s.Resources)
		p.line("")
	}
	p.checks(r.Checks)
	p.line("")
	because := ""
	if live {
		because = ", because this version reads live values only"
	}
	p.line("%s%s. Plaintext may remain there:", p.status(auditv1.Status_STATUS_NOT_EVALUATED), because)
	for _, l := range r.NotEvaluated {
		of := ""
		if len(r.Scopes) > 1 {
			of = " of " + l.Store
		}
		p.line("  %s%s: %s", l.Name, of, l.Reason)
	}
	p.line("")
	about := fmt.Sprintf("%d scopes", len(r.Scopes))
	if len(r.Scopes) == 1 {
		about = r.Scopes[0].LayerName
		if revision := r.Scopes[0].Revision; revision != 0 {
			about += fmt.Sprintf(" at revision %d", revision)
		}
	}
	p.line("Verdict for %s: %s, %s", about, p.status(r.Verdict.Status), r.Verdict.Text)
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	out     bytes.Buffer
	colours term.Colours
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

func (p *printer) status(s auditv1.Status) string {
	switch name := statusName(s); s {
	case auditv1.Status_STATUS_PASS:
		return p.colours.Good(name)
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ERROR:
		return p.colours.Bad(name)
	case auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_NOT_EVALUATED:
		return p.colours.Warn(name)
	default:
		return name
	}
}

func (p *printer) resources(list []*auditv1.Resource) {
	if len(list) == 0 {
		p.line("No keys.")
		return
	}
	t := table.NewWriter()
	t.SetStyle(plain())
	t.SetColumnConfigs([]table.ColumnConfig{{Name: "VALUES", Align: text.AlignRight, AlignHeader: text.AlignRight}})
	t.AppendHeader(table.Row{"RESOURCE", "VALUES", "STORED AS", "PROVIDER OR KEY", "KEY_ID", "VAULT KEY", "NOTE"})
	// Secrets are what this is about.
	secretsFirst := slices.Clone(list)
	slices.SortStableFunc(secretsFirst, func(a, b *auditv1.Resource) int { return rank(a) - rank(b) })
	for _, r := range secretsFirst {
		name := r.Resource
		for _, g := range r.Groups {
			t.AppendRow(table.Row{name, g.Values, storedAs(g), g.Name, g.KeyId, vaultKey(g), note(g)})
			name = ""
		}
	}
	for line := range strings.Lines(t.Render()) {
		p.line("%s", strings.TrimRight(line, " \n"))
	}
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

func vaultKey(g *auditv1.Group) string {
	if g.VaultKeyVersion == 0 {
		return ""
	}
	return fmt.Sprintf("v%d", g.VaultKeyVersion)
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

// statusWidth is that of the longest status, so that the ids stand in a column
// whether or not the status is coloured.
const statusWidth = len("NOT APPLICABLE")

// checks prints every check, and those that do not apply for one and the same
// reason in one line.
func (p *printer) checks(list []*auditv1.Check) {
	without := map[string][]string{}
	var reasons []string
	for _, c := range list {
		another := func(r *auditv1.Result) bool { return cmp.Or(r.Summary, r.Reason) != c.Summary }
		if c.Status != auditv1.Status_STATUS_NOT_APPLICABLE || slices.ContainsFunc(c.Results, another) {
			p.check(c)
			continue
		}
		if without[c.Summary] == nil {
			reasons = append(reasons, c.Summary)
		}
		without[c.Summary] = append(without[c.Summary], c.Id)
	}
	for _, reason := range reasons {
		p.line("%s  %s: %s", p.status(auditv1.Status_STATUS_NOT_APPLICABLE), strings.Join(without[reason], ", "), reason)
	}
}

func (p *printer) check(c *auditv1.Check) {
	for _, r := range c.Results {
		pad := strings.Repeat(" ", statusWidth-len(statusName(r.Status)))
		said := cmp.Or(r.Summary, r.Reason)
		if len(c.Results) > 1 {
			said = r.Target + ": " + said
		}
		p.line("%s%s  %s  %-8s  %s: %s", p.status(r.Status), pad, c.Id, severityName(c.Severity), c.Title, said)
		indent := strings.Repeat(" ", statusWidth+2)
		for _, o := range r.Objects[:min(len(r.Objects), listed)] {
			p.line("%s%s", indent, objectLine(c, o))
		}
		if more := int64(r.Count) - listed; len(r.Objects) > 0 && more > 0 {
			p.line("%sand %d more; --output json lists %s", indent, more, listedInJSON(r))
		}
		if r.Remediation != "" {
			p.line("%sTo do: %s", indent, r.Remediation)
		}
	}
}

func listedInJSON(r *auditv1.Result) string {
	if r.ObjectsOmitted > 0 {
		return fmt.Sprintf("the first %d", len(r.Objects))
	}
	return "all"
}

func objectLine(c *auditv1.Check, o *auditv1.Object) string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	if c.Id != plaintextSecretsID {
		name = o.Resource + " " + name
	}
	if o.Detail != "" {
		name += ": " + o.Detail
	}
	return name
}

// plaintextSecretsID is the check whose objects are all Secrets.
const plaintextSecretsID = "EA-101"

func size(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d bytes", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(unit*unit*unit))
	}
}
