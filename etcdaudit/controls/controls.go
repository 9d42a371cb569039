// Package controls says which requirements of benchmarks and standards the checks of a report
// are evidence for, and how far. The catalogues are data. No relation means that a control is
// met: who signs decides that.
package controls

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

//go:embed catalogues/*.yaml
var catalogues embed.FS

// Catalogue is one version of a benchmark or standard.
type Catalogue struct {
	// Name is how commands call it: "cis-1.12".
	Name string `json:"-"`
	// Title and Version are what it is called by those who publish it.
	Title   string `json:"catalogue"`
	Version string `json:"version"`
	// Source is where ids and content were read. Verified is set where that was the text that
	// is published, whole and unchanged. Single controls may have a source of their own.
	Source   string `json:"source"`
	Verified bool   `json:"verified"`
	// ControlsOf names the catalogue whose controls this one has too.
	ControlsOf string    `json:"controls-of"`
	Controls   []Control `json:"controls"`
}

// Control is one requirement.
type Control struct {
	ID string `json:"id"`
	// Title is in this project's own words.
	Title  string `json:"title"`
	Source string `json:"source"`
	// Checks are evidence; none where a person has to judge alone.
	Checks []Evidence `json:"checks"`
	// Letter is what the control literally asks for; nil where that is nothing that a report
	// could hold.
	Letter *Letter `json:"letter"`
}

// Evidence is a check, and how far it is evidence.
type Evidence struct {
	Check    string `json:"check"`
	Relation string `json:"relation"`
	// Note is which part of the control it is about. Only evidence for all of it has none.
	Note string `json:"note"`
}

// The relations of checks to controls.
const (
	Evidences  = "evidences"
	Partly     = "partly"
	NeedsHuman = "needs-human"
)

// relation is the report's value for a word of the data; RELATION_UNSPECIFIED for none.
func relation(word string) auditv1.Relation {
	return auditv1.Relation(auditv1.Relation_value["RELATION_"+strings.ToUpper(strings.ReplaceAll(word, "-", "_"))])
}

// All returns every catalogue, in the order of their names. The error is one of the data that
// is built in.
func All() ([]Catalogue, error) {
	files, err := catalogues.ReadDir("catalogues")
	if err != nil {
		return nil, fmt.Errorf("controls: %w", err)
	}
	var all []Catalogue
	for _, file := range files {
		text, err := catalogues.ReadFile(path.Join("catalogues", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("controls: %w", err)
		}
		c, err := parse(strings.TrimSuffix(file.Name(), ".yaml"), text)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for i, c := range all {
		if c.ControlsOf == "" {
			continue
		}
		other := slices.IndexFunc(all, func(o Catalogue) bool { return o.Name == c.ControlsOf && o.ControlsOf == "" })
		if other < 0 {
			return nil, fmt.Errorf("controls: %s: there is no catalogue %s", c.Name, c.ControlsOf)
		}
		all[i].Controls = slices.Clone(all[other].Controls)
		for k := range all[i].Controls {
			all[i].Controls[k].Source = c.Source
		}
	}
	return all, nil
}

// parse reads one catalogue. Unknown keys are refused, and whatever would leave a control
// without its source or a part without a name.
func parse(name string, text []byte) (Catalogue, error) {
	c := Catalogue{}
	fail := func(format string, args ...any) (Catalogue, error) {
		return Catalogue{}, fmt.Errorf("controls: %s: %w", name, fmt.Errorf(format, args...))
	}
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return fail("%w", err)
	}
	c.Name = name
	switch {
	case c.Title == "" || c.Version == "" || c.Source == "":
		return fail("catalogue, version and source are needed")
	case (c.ControlsOf == "") == (len(c.Controls) == 0):
		return fail("want controls, or those of another catalogue")
	}
	seen := map[string]bool{}
	for i := range c.Controls {
		control := &c.Controls[i]
		if control.ID == "" || control.Title == "" || seen[control.ID] {
			return fail("control %q: it is without id or title, or there twice", control.ID)
		}
		seen[control.ID] = true
		if control.Source == "" {
			control.Source = c.Source
		}
		checks := map[string]bool{}
		for _, e := range control.Checks {
			if r := relation(e.Relation); r == auditv1.Relation_RELATION_UNSPECIFIED || r != auditv1.Relation_RELATION_EVIDENCES && e.Note == "" || e.Check == "" || checks[e.Check] {
				return fail("control %s: check %q: want a relation, a note unless it is %s, and the check once", control.ID, e.Check, Evidences)
			}
			checks[e.Check] = true
		}
		if err := control.Letter.valid(); err != nil {
			return fail("control %s: letter: %w", control.ID, err)
		}
	}
	return c, nil
}
