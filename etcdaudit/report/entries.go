package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

const (
	// listed is how many objects of a finding the table names, and seen how many lines of
	// its evidence it shows. JSON has all.
	listed, seen = 10, 3
	// first is how many findings stand under what to do first.
	first = 5
)

// entry is what a check says in the same words of one target or more.
type entry struct {
	check  *auditv1.Check
	result *auditv1.Result // the first of them
	// about are all targets, and targets those that are to be told apart: none for the only
	// result of a check.
	about, targets []string
	// nodes are those that the targets are on, where the report is about several.
	nodes []string
	// number is that under what to do first; 0 for none.
	number int
	// evidence is what is shown of it: a finding's, without what the tables show.
	evidence []*auditv1.Evidence
}

func (e *entry) finding() bool {
	return e.result.Status == auditv1.Status_STATUS_FAIL || e.result.Status == auditv1.Status_STATUS_WARN
}

func (e *entry) said() string { return said(e.result) }

// said is what was found, and why that is not judged or was accepted.
func said(r *auditv1.Result) string {
	if r.Summary != "" && r.Reason != "" {
		return r.Summary + "; " + r.Reason
	}
	return cmp.Or(r.Summary, r.Reason)
}

// entriesOf lists findings first, from the most severe, then what was not evaluated, and
// then the rest; each of these by the ids of the checks.
func entriesOf(r *auditv1.Report) (list []*entry) {
	elsewhere := map[string]bool{} // sources that the tables above show
	for _, s := range r.Scopes {
		elsewhere[s.Text] = true
	}
	for _, l := range r.Listeners {
		elsewhere[l.Purpose+" address "+l.Url] = true
	}
	type words struct {
		status    auditv1.Status
		said, fix string
	}
	for _, c := range r.Checks {
		var own []*entry
		places := map[words]int{}
		for _, result := range c.Results {
			k := words{result.Status, said(result), result.Remediation}
			i, known := places[k]
			if !known || len(result.Objects) > 0 {
				i = len(own)
				own = append(own, &entry{check: c, result: result})
			}
			if !known {
				places[k] = i
			}
			own[i].about = append(own[i].about, named(r, result))
			if several(r) && result.Node != "" && !slices.Contains(own[i].nodes, result.Node) {
				own[i].nodes = append(own[i].nodes, result.Node)
			}
			for _, e := range result.Evidence {
				if own[i].finding() && !elsewhere[e.Source] {
					own[i].evidence = append(own[i].evidence, e)
				}
			}
		}
		if len(c.Results) == 0 {
			own = []*entry{{check: c, result: &auditv1.Result{Status: c.Status, Reason: c.Summary}}}
		}
		for _, e := range own {
			// What an accepted risk is about follows from no scope.
			if len(c.Results) > 1 || isCheck(e.result.Target) {
				e.targets = e.about
			}
		}
		list = append(list, own...)
	}
	slices.SortStableFunc(list, func(a, b *entry) int {
		return cmp.Or(order(a)-order(b), urgency(b)-urgency(a))
	})
	number := 0
	for _, e := range list {
		if e.finding() && e.result.Remediation != "" && e.check.Severity > auditv1.Severity_SEVERITY_INFO && number < first {
			number++
			e.number = number
		}
	}
	return list
}

// isCheck reports whether a target is a finding of another check, "EA-305 https://192.0.2.1:2379",
// as that of an entry in the file of accepted risks is.
func isCheck(target string) bool { return strings.HasPrefix(target, "EA-") }

// several reports whether a report is about several nodes: each of them has a verdict then.
func several(r *auditv1.Report) bool {
	return slices.ContainsFunc(r.Scopes, func(s *auditv1.Scope) bool { return s.Verdict != nil })
}

// named is the target of a result, with its node where the report is about several.
func named(r *auditv1.Report, result *auditv1.Result) string {
	if !several(r) || result.Node == "" {
		return result.Target
	}
	return strings.TrimSuffix(result.Node+": "+result.Target, ": ")
}

func order(e *entry) int {
	switch e.result.Status {
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN:
		return 0
	case auditv1.Status_STATUS_NOT_EVALUATED, auditv1.Status_STATUS_ERROR:
		return 1
	default:
		return 2
	}
}

// urgency counts for findings only.
func urgency(e *entry) int {
	if !e.finding() {
		return 0
	}
	n := 2 * int(e.check.Severity)
	if e.result.Status == auditv1.Status_STATUS_FAIL {
		n++
	}
	return n
}

// doFirst names what to do about the most severe findings; those of severity info need
// nothing.
func (p *printer) doFirst(list []*entry) {
	more := 0
	for _, e := range list {
		if e.finding() && e.check.Severity > auditv1.Severity_SEVERITY_INFO {
			more++
		}
		if e.number == 0 {
			continue
		}
		if e.number == 1 {
			p.line("")
			p.line("To do first:")
		}
		about := e.check.Id + " (" + severityName(e.check.Severity) + ")"
		if len(e.targets) > 0 {
			about += ", " + targets(e.targets)
		}
		p.wrap("     ", "  %d. %s: %s", e.number, about, e.result.Remediation)
	}
	if more -= first; more > 0 {
		p.line("  and %d more, below", more)
	}
}

// targets names the first of some targets.
func targets(names []string) string {
	const most = 3
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// statusWidth is that of the longest status, so that the ids stand in a column
// whether or not the status is coloured.
const statusWidth = len("NOT APPLICABLE")

// entries prints every entry, and those that were not judged for one and the same reason in
// one line.
func (p *printer) entries(list []*entry) {
	type key struct {
		status auditv1.Status
		reason string
	}
	together, reasons := map[key][]string{}, []key{}
	for _, e := range list {
		k := key{e.result.Status, e.said()}
		switch e.result.Status {
		case auditv1.Status_STATUS_NOT_APPLICABLE:
		case auditv1.Status_STATUS_NOT_EVALUATED:
			// What to do stands below the entry, unless others have the same reason.
			if e.result.Remediation != "" {
				k.reason += ". To do: " + e.result.Remediation
			}
		default:
			p.entry(e)
			continue
		}
		if together[k] == nil {
			reasons = append(reasons, k)
		}
		name := e.check.Id
		if len(e.targets) > 0 {
			name += " (" + targets(e.targets) + ")"
		}
		together[k] = append(together[k], name)
	}
	for _, k := range reasons {
		pad := strings.Repeat(" ", statusWidth-len(statusName(k.status)))
		p.wrap(indent, "%s%s  %s: %s", p.status(k.status), pad, strings.Join(together[k], ", "), k.reason)
	}
}

const indent = "                "

func (p *printer) entry(e *entry) {
	r := e.result
	pad := strings.Repeat(" ", statusWidth-len(statusName(r.Status)))
	said := e.said()
	if len(e.targets) > 0 {
		said = targets(e.targets) + ": " + said
	}
	p.wrap(indent, "%s%s  %s  %-8s  %s: %s", p.status(r.Status), pad, e.check.Id, severityName(e.check.Severity), e.check.Title, said)
	// What still counts must not stand behind what was accepted, where it may not be listed.
	objects := slices.Clone(r.Objects)
	slices.SortStableFunc(objects, func(a, b *auditv1.Object) int { return rankOf(a) - rankOf(b) })
	for _, o := range objects[:min(len(objects), listed)] {
		p.wrap(indent+"  ", "%s%s", indent, objectLine(e.check, o))
	}
	if more := int64(r.Count) - listed; len(r.Objects) > 0 && more > 0 {
		p.line("%sand %d more; --output json lists %s", indent, more, listedInJSON(r))
	}
	for _, s := range e.evidence[:min(len(e.evidence), seen)] {
		p.wrap(indent+"  ", "%sSeen: %s: %s", indent, s.Source, s.Seen)
	}
	if more := len(e.evidence) - seen; more > 0 {
		p.line("%sand %d more in --output json", indent, more)
	}
	switch {
	case e.number > 0:
		p.line("%sTo do: see %d. above", indent, e.number)
	case r.Remediation != "" && r.Status != auditv1.Status_STATUS_ACCEPTED:
		p.wrap(indent, "%sTo do: %s", indent, r.Remediation)
	}
}

func rankOf(o *auditv1.Object) int {
	if o.Accepted {
		return 1
	}
	return 0
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
	if o.Accepted {
		name += " (accepted)"
	}
	return name
}

// plaintextSecretsID is the check whose objects are all Secrets.
const plaintextSecretsID = "EA-101"
