package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed page.css
	pageStyle string
)

// HTML writes the report as one page that needs nothing else: no script, no font, no image and
// no address. Its policy (CSP) lets a browser apply the one style that is in it, and load or
// run nothing at all, whatever a name in the report looks like. Lists are cut to what can be
// read; the page says how many more there are.
func HTML(w io.Writer, r *auditv1.Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"status": statusName, "severity": severityName, "class": class, "glyph": glyph,
		"day": day, "size": size, "text": func(s string) []span { return spans(capital(s)) }, "capital": capital, "object": nameOf, "storedAs": storedAs, "note": note,
		"join": func(list []string) string { return strings.Join(list, ", ") },
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("read the template of the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, pageOf(r)); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// What of each list is shown. A report may have tens of thousands of objects.
const (
	shownFindings = 200
	shownOfCheck  = 25
	shownObjects  = 40
	shownEvidence = 12
	shownTargets  = 12
	shownRows     = 200
	shownSettings = 60
	shownSources  = 20
)

// part is the beginning of a list, and how many more there are.
type part[T any] struct {
	Shown []T
	More  int64
}

func head[T any](list []T, most int) part[T] {
	n := min(len(list), most)
	return part[T]{list[:n], int64(len(list) - n)}
}

// page is what the template shows.
type page struct {
	Style                        template.CSS
	Policy, Subject, Made, Tool  string
	Verdict                      *auditv1.Verdict
	Coverage                     *auditv1.Coverage
	All, Percent                 uint64 // results, and how many of 100 were evaluated
	Tally                        []tally
	Scopes                       part[scopeView]
	Nodes                        part[nodeView]
	First                        []finding
	FirstMore                    int
	Runbook                      []*auditv1.Step
	Several                      bool // its steps are about several stores
	Timelines                    part[timelineView]
	TimelinesFrom, TimelinesTo   string
	TimelineBasis                []string
	TimelinesOmitted             uint32
	Verified                     *verifiedView
	Findings                     part[finding]
	Gaps                         part[gap]
	Places, Missing              part[*auditv1.Layer]
	Acceptances                  part[acceptanceView]
	Catalogues                   []catalogue
	Stores                       []store
	UsedKeys                     part[usedKey]
	Listeners                    part[listenerView]
	Certificates                 part[certificateView]
	PrivateKeys                  part[keyView]
	Readers                      part[*auditv1.Reader]
	Configurations               part[configurationView]
	Checks                       []*auditv1.Check
	AnyUnverified, AnyHMAC, Open bool
}

func pageOf(r *auditv1.Report) page {
	// The browser compares the hash with what stands between the tags, to the byte.
	hash := sha256.Sum256([]byte(pageStyle))
	p := page{
		Style:   template.CSS(pageStyle), //nolint:gosec // our own file
		Policy:  fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(hash[:])),
		Subject: subject(r), Tool: strings.TrimSpace(r.GetTool().GetName() + " " + r.GetTool().GetVersion()),
		Verdict: r.GetVerdict(), Coverage: r.GetCoverage(), Tally: tallyOf(r), Checks: r.Checks[:min(len(r.Checks), 2*shownRows)],
	}
	if t := madeAt(r); !t.IsZero() {
		p.Made = t.UTC().Format("2 January 2006, 15:04 UTC")
	}
	if p.All = uint64(p.Coverage.GetEvaluated()) + uint64(p.Coverage.GetNotEvaluated()); p.All > 0 {
		p.Percent = uint64(p.Coverage.GetEvaluated()) * 100 / p.All
	}
	p.Runbook = r.Runbook[:min(len(r.Runbook), shownRows)]
	p.Several = slices.ContainsFunc(r.Runbook, func(s *auditv1.Step) bool { return aboutStep(s) != aboutStep(r.Runbook[0]) })
	p.addTimelines(r)
	p.Verified = verifiedOf(r)
	list := entriesOf(r)
	findings := findingsOf(list)
	for _, f := range findings {
		if f.Number > 0 {
			p.First = append(p.First, f)
		} else if f.Check.Severity > auditv1.Severity_SEVERITY_INFO {
			p.FirstMore++
		}
	}
	p.Findings, p.Gaps = head(findings, shownFindings), head(gapsOf(list), shownRows)
	p.Scopes = head(scopesOf(r), shownRows)
	p.Nodes = head(nodesOf(r, list, p.Findings.Shown), shownRows)
	var places, missing []*auditv1.Layer
	for _, l := range r.NotEvaluated {
		if l.Store != "" {
			places = append(places, l)
		} else {
			missing = append(missing, l)
		}
	}
	p.Places, p.Missing = head(places, shownRows), head(together(missing), shownRows)
	p.Open = len(p.Gaps.Shown)+len(p.Places.Shown)+len(p.Missing.Shown) > 0
	p.Acceptances = head(acceptancesOf(r), shownRows)
	p.Catalogues = cataloguesOf(r)
	p.AnyUnverified = slices.ContainsFunc(r.Controls, func(c *auditv1.Control) bool { return !c.Verified })
	p.Stores, p.UsedKeys = storesOf(r), head(usedKeysOf(r), shownRows)
	p.Listeners = head(listenersOf(r), shownRows)
	p.Certificates = head(certificatesOf(r), shownRows)
	p.PrivateKeys = head(keysOf(r), shownRows)
	p.AnyHMAC = slices.ContainsFunc(r.PrivateKeys, func(k *auditv1.PrivateKey) bool { return k.Hmac != "" })
	p.Readers = head(byInterest(r.Readers), shownRows)
	p.Configurations = head(configurationsOf(r), shownRows)
	return p
}

// subject names what was audited: the nodes, and the clusters that were read.
func subject(r *auditv1.Report) string {
	var nodes, clusters []string
	for _, s := range r.Scopes {
		if node := cmp.Or(s.Node, strings.TrimPrefix(s.Id, "host:")); s.Layer == "host" && node != "" {
			nodes = append(nodes, node)
		}
		if s.ClusterId != "" {
			clusters = append(clusters, "etcd cluster "+s.ClusterId)
		}
	}
	all := distinct(nodes, clusters)
	return targets(all)
}

// tally is one number under the verdict.
type tally struct {
	Count       int
	Name, Class string
}

func tallyOf(r *auditv1.Report) (all []tally) {
	findings := map[auditv1.Severity]int{}
	others := map[auditv1.Status]int{}
	for _, c := range r.Checks {
		switch c.Status {
		case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_WARN:
			findings[c.Severity]++
		default:
			others[c.Status]++
		}
	}
	for s := auditv1.Severity_SEVERITY_CRITICAL; s >= auditv1.Severity_SEVERITY_INFO; s-- {
		name := "fail"
		if s < r.GetVerdict().GetFailOn() {
			name = "warn"
		}
		if findings[s] == 0 {
			name = "none"
		}
		all = append(all, tally{findings[s], severityName(s), name})
	}
	for _, one := range []struct {
		status auditv1.Status
		always bool
	}{
		{auditv1.Status_STATUS_PASS, true}, {auditv1.Status_STATUS_NOT_EVALUATED, true}, {auditv1.Status_STATUS_ACCEPTED, false}, {auditv1.Status_STATUS_ERROR, false},
		{auditv1.Status_STATUS_NOT_APPLICABLE, false},
	} {
		if n := others[one.status]; n > 0 || one.always {
			name := class(one.status)
			if n == 0 {
				name = "none"
			}
			all = append(all, tally{n, strings.ToLower(statusName(one.status)), name})
		}
	}
	return all
}

// class is what the style knows a status by.
func class(s auditv1.Status) string {
	switch s {
	case auditv1.Status_STATUS_PASS:
		return "pass"
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ERROR:
		return "fail"
	case auditv1.Status_STATUS_WARN:
		return "warn"
	case auditv1.Status_STATUS_ACCEPTED:
		return "accepted"
	case auditv1.Status_STATUS_NOT_APPLICABLE:
		return "none"
	default:
		return "open"
	}
}

// glyph stands beside the word, so that a status is seen without its colour.
func glyph(s auditv1.Status) string {
	switch s {
	case auditv1.Status_STATUS_PASS:
		return "✓"
	case auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_ERROR:
		return "✕"
	case auditv1.Status_STATUS_WARN:
		return "!"
	case auditv1.Status_STATUS_ACCEPTED:
		return "≈"
	case auditv1.Status_STATUS_NOT_APPLICABLE:
		return "–"
	default:
		return "?"
	}
}

// span is a piece of a text: the id of a check, the name of a flag, or what stands between.
type span struct{ Text, Check, Flag string }

// spans takes a text apart, so that ids lead somewhere and flags are not broken at a hyphen.
func spans(text string) (all []span) {
	at := 0
	for _, m := range regexp.MustCompile(`\bEA-\d{3}\b|--[a-z][a-z0-9-]+[a-z0-9]`).FindAllStringIndex(text, -1) {
		if m[0] > at {
			all = append(all, span{Text: text[at:m[0]]})
		}
		if word := text[m[0]:m[1]]; strings.HasPrefix(word, "--") {
			all = append(all, span{Flag: word})
		} else {
			all = append(all, span{Check: word})
		}
		at = m[1]
	}
	if at < len(text) {
		all = append(all, span{Text: text[at:]})
	}
	return all
}
