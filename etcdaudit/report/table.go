package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// width of the table, in columns. Lines of the list of resources may be longer: names and
// key_ids are not broken.
const width = 100

// Table writes the report for people: what was looked at, the verdict, what to do first,
// and then what the verdict rests on. The scopes come first: nothing is to be read without
// them.
func Table(w io.Writer, r *auditv1.Report, colours term.Colours) error {
	p := &printer{colours: colours}
	for _, s := range r.Scopes {
		p.scope(s)
	}
	p.when(r.Scopes)
	p.verdict(r)
	list := entriesOf(r)
	p.doFirst(list)
	p.runbook(r.Runbook)
	p.timelines(r)
	p.verification(r)
	for _, s := range r.Scopes {
		if s.Prefix != "" {
			p.line("")
			if len(r.Scopes) > 1 {
				p.wrap("", "%s", s.Text)
			}
			p.resources(s.Resources)
			p.compared(s)
		}
	}
	p.keys(r)
	p.listeners(r.Listeners)
	p.readers(r.Readers)
	p.line("")
	p.entries(list)
	p.acceptances(r.Acceptances)
	p.notEvaluated(r)
	p.controls(r.Controls)
	_, err := w.Write(p.out.Bytes())
	return err
}

func (p *printer) scope(s *auditv1.Scope) {
	p.wrap("       ", "Scope: %s", s.Text)
	if s.Prefix == "" {
		return
	}
	counted := "keys"
	if s.Layer != "live" {
		counted = "values"
	}
	read := fmt.Sprintf("Read: %d %s with %s", s.KeysRead, counted, size(s.ValueBytes))
	if s.Layer == "live" {
		read += " of values"
	}
	if s.Fragments > 0 {
		read += fmt.Sprintf(", %d pieces of %s without a beginning", s.Fragments, size(s.FragmentBytes))
	}
	if s.Revision != 0 && !ofFiles(s) {
		read += fmt.Sprintf(", all of the %d that %s counts at that revision", s.KeysCounted, cmp.Or(s.StandIn, "etcd"))
	}
	p.wrap("      ", "%s", read)
	for _, from := range s.Sources {
		if from.Hash != "" && s.Layer != "history" && s.Layer != "free-pages" { // once for a file
			p.wrap("      ", "File: %s, %s", size(from.Bytes), from.Hash)
		}
	}
	for _, f := range s.EncryptionConfigFiles {
		p.wrap("      ", "Compared with: %s, one API server's file; another's may differ and was not looked at", f)
	}
}

// ofFiles reports whether data was read from files, and not from a running etcd.
func ofFiles(s *auditv1.Scope) bool {
	return s.Prefix != "" && len(s.Sources) > 0 && s.Sources[0].Bytes > 0
}

// when says from when to when it was looked at.
func (p *printer) when(scopes []*auditv1.Scope) {
	var times []time.Time
	for _, s := range scopes {
		if s.Time != nil {
			times = append(times, s.Time.AsTime().Truncate(time.Second))
		}
	}
	if len(times) == 0 {
		return
	}
	from, to := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
	text := "When: " + from.Format(time.DateTime)
	if to.After(from) {
		text += " to " + to.Format(time.DateTime)
	}
	p.line("%s UTC", text)
}

func (p *printer) verdict(r *auditv1.Report) {
	p.line("")
	var about []string
	for _, s := range r.Scopes {
		of := func(other *auditv1.Scope) bool { return other.Layer == s.Layer }
		text := s.LayerName
		switch n := count(r.Scopes, of); {
		case n > 1:
			text = fmt.Sprintf("%d scopes of %s", n, s.LayerName)
		case s.Revision != 0:
			text += fmt.Sprintf(" at revision %d", s.Revision)
		}
		if !slices.Contains(about, text) {
			about = append(about, text)
		}
	}
	p.wrap("  ", "Verdict for %s: %s, %s", strings.Join(about, ", "), p.status(r.GetVerdict().GetStatus()), r.GetVerdict().GetText())
	for _, s := range r.Scopes {
		if s.Verdict != nil {
			p.wrap("    ", "  node %s: %s, %s", s.Node, p.status(s.Verdict.Status), s.Verdict.Text)
		}
	}
	if c := r.GetCoverage(); c.GetNotEvaluated() > 0 || c.GetMinimumPercent() > 0 {
		more := ""
		if c.Optional > 0 {
			more = fmt.Sprintf(", %d of them for want of an optional input", c.Optional)
		}
		if c.MinimumPercent > 0 {
			more += fmt.Sprintf("; at least %d %% were asked for", c.MinimumPercent)
		}
		p.wrap("  ", "Coverage: %d of %d results; %d not evaluated%s", c.Evaluated, c.Evaluated+c.NotEvaluated, c.NotEvaluated, more)
	}
}

// notEvaluated lists where plaintext may remain, and what else was not read.
func (p *printer) notEvaluated(r *auditv1.Report) {
	var places, others []*auditv1.Layer
	live := true
	for _, s := range r.Scopes {
		live = live && (s.Layer == "live" || s.Prefix == "")
	}
	for _, l := range r.NotEvaluated {
		if l.Store == "" {
			others = append(others, l)
		} else {
			places = append(places, l)
		}
	}
	stores := map[string]bool{}
	for _, l := range places {
		stores[l.Store] = true
	}
	list := func(layers []*auditv1.Layer) {
		for _, l := range layers {
			of := ""
			if len(stores) > 1 && l.Store != "" {
				of = " of " + l.Store
			}
			p.wrap("    ", "  %s%s: %s", l.Name, of, l.Reason)
		}
	}
	if len(places) > 0 {
		because := ""
		if live {
			because = ", because live values alone were read"
		}
		p.line("")
		p.line("%s%s. Plaintext may remain there:", p.status(auditv1.Status_STATUS_NOT_EVALUATED), because)
		list(places)
	}
	if len(others) > 0 {
		p.line("")
		p.line("%s, because it could not be found or read:", p.status(auditv1.Status_STATUS_NOT_EVALUATED))
		list(together(others))
	}
}

// together names what lacks for one and the same reason in one line.
func together(layers []*auditv1.Layer) (lines []*auditv1.Layer) {
	names := map[string][]string{}
	for _, l := range layers {
		if names[l.Reason] == nil {
			lines = append(lines, &auditv1.Layer{Reason: l.Reason})
		}
		names[l.Reason] = append(names[l.Reason], l.Name)
	}
	for _, l := range lines {
		l.Name = targets(names[l.Reason])
	}
	return lines
}

type printer struct {
	out     bytes.Buffer
	colours term.Colours
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

// wrap writes a line that is broken between words, and indents what follows.
func (p *printer) wrap(indent, format string, args ...any) {
	rest, margin := fmt.Sprintf(format, args...), ""
	for {
		cut := fit(rest, width-len(margin))
		p.line("%s%s", margin, strings.TrimRight(rest[:cut], " "))
		if rest = strings.TrimLeft(rest[cut:], " "); rest == "" {
			return
		}
		margin = indent
	}
}

// fit returns where a text is to be broken so that it takes at most so many columns. A word
// that is longer is not broken: it may be a path or a command.
func fit(s string, columns int) (cut int) {
	for from := len(s) - len(strings.TrimLeft(s, " ")); ; from = cut + 1 {
		next := len(s)
		if i := strings.IndexByte(s[min(from, len(s)):], ' '); i >= 0 {
			next = from + i
		}
		if cut > 0 && text.StringWidthWithoutEscSequences(s[:next]) > columns {
			return cut
		}
		if cut = next; cut == len(s) {
			return cut
		}
	}
}

func count[T any](list []T, has func(T) bool) (n int) {
	for _, one := range list {
		if has(one) {
			n++
		}
	}
	return n
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
