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

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// listed is how many objects of a finding the table names.
const listed = 10

// Table writes the report for people. The first line is the scope: nothing
// below it is to be read without it. color is for terminals.
func Table(w io.Writer, r *auditv1.Report, color bool) error {
	p := &printer{color: color}
	p.line("Scope: %s", r.Scope.Text)
	p.line("Read: %d keys with %s of values, all of the %d that %s counts at that revision", r.Scope.KeysRead, size(r.Scope.ValueBytes), r.Scope.KeysCounted, cmp.Or(r.Scope.StandIn, "etcd"))
	if f := r.Scope.EncryptionConfigFile; f != "" {
		p.line("Compared with: %s, one API server's file; another's may differ and was not looked at", f)
	}
	p.line("")
	p.resources(r.Resources)
	p.line("")
	p.checks(r.Checks)
	p.line("")
	p.line("%s, because this version reads live values only. Plaintext may remain there:", p.status(auditv1.Status_STATUS_NOT_EVALUATED))
	for _, l := range r.NotEvaluated {
		p.line("  %s: %s", l.Name, l.Reason)
	}
	p.line("")
	p.line("Verdict for %s at revision %d: %s, %s", r.Scope.Layer, r.Scope.Revision, p.status(r.Verdict.Status), r.Verdict.Text)
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	out   bytes.Buffer
	color bool
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

func (p *printer) status(s auditv1.Status) string {
	name := statusName(s)
	if !p.color {
		return name
	}
	switch s {
	case auditv1.Status_STATUS_PASS:
		return escape(text.FgGreen, name)
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ERROR:
		return escape(text.FgRed, name)
	case auditv1.Status_STATUS_WARN, auditv1.Status_STATUS_NOT_EVALUATED:
		return escape(text.FgYellow, name)
	default:
		return name
	}
}

// escape does not ask go-pretty whether there is a terminal: it would look at
// the process's environment, and the caller has already decided.
func escape(c text.Color, s string) string { return c.EscapeSeq() + s + text.EscapeReset }

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
	for _, f := range storedvalue.Formats() {
		if f.Plaintext() && f.String() == g.Format {
			return "PLAINTEXT " + g.Format
		}
	}
	if g.Problem != "" {
		return "MALFORMED " + g.Format
	}
	return g.Format
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
	if g.Standing != "" && g.Standing != encryptionconfig.AsConfigured.String() {
		notes = append(notes, g.Standing)
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
		if c.Status != auditv1.Status_STATUS_NOT_APPLICABLE {
			p.check(c)
			continue
		}
		if without[c.Reason] == nil {
			reasons = append(reasons, c.Reason)
		}
		without[c.Reason] = append(without[c.Reason], c.Id)
	}
	for _, reason := range reasons {
		p.line("%s  %s: %s", p.status(auditv1.Status_STATUS_NOT_APPLICABLE), strings.Join(without[reason], ", "), reason)
	}
}

func (p *printer) check(c *auditv1.Check) {
	pad := strings.Repeat(" ", statusWidth-len(statusName(c.Status)))
	said := c.Summary
	if said == "" {
		said = c.Reason
	}
	p.line("%s%s  %s  %-8s  %s: %s", p.status(c.Status), pad, c.Id, severityName(c.Severity), c.Title, said)
	indent := strings.Repeat(" ", statusWidth+2)
	for _, o := range c.Objects[:min(len(c.Objects), listed)] {
		p.line("%s%s", indent, objectLine(c, o))
	}
	if more := int64(c.Count) - listed; len(c.Objects) > 0 && more > 0 {
		p.line("%sand %d more; --output json lists %s", indent, more, listedInJSON(c))
	}
	if c.Remediation != "" {
		p.line("%sTo do: %s", indent, c.Remediation)
	}
}

func listedInJSON(c *auditv1.Check) string {
	if c.ObjectsOmitted > 0 {
		return fmt.Sprintf("the first %d", len(c.Objects))
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
