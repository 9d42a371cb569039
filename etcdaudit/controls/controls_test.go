package controls_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/etcdaudit/controls"
	"github.com/sealproof/sealproof/etcdaudit/fleet"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestEveryCatalogueIsThereOnce(t *testing.T) {
	var names []string
	titles := map[string]bool{}
	for _, c := range testkit.Must(controls.All())(t) {
		names = append(names, c.Name)
		if titles[c.Title+c.Version] {
			t.Errorf("%s %s is there twice", c.Title, c.Version)
		}
		titles[c.Title+c.Version] = true
	}
	if want := []string{"cis-1.12", "cis-2.0", "isms-p", "nist-sp-800-190", "nsa-cisa-1.0", "pci-dss-4.0.1", "stig"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// ids are those of every check that a report can have.
func ids() map[string]bool {
	all := map[string]bool{}
	for _, r := range rules.All() {
		all[r.ID] = true
	}
	for _, r := range fleet.Rules() {
		all[r.ID] = true
	}
	for _, c := range acceptance.Checks() {
		all[c.Id] = true
	}
	return all
}

func TestEveryMappedCheckExistsAndEveryCheckIsMappedOrSaysWhyNot(t *testing.T) {
	known, mapped, unmapped := ids(), map[string]bool{}, controls.Unmapped()
	for _, c := range testkit.Must(controls.All())(t) {
		for _, control := range c.Controls {
			for _, e := range control.Checks {
				mapped[e.Check] = true
				if !known[e.Check] {
					t.Errorf("%s %s is mapped to %s, which there is not", c.Name, control.ID, e.Check)
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if mapped[id] == (unmapped[id] != "") {
			t.Errorf("%s: mapped %v, said why not %q: want one of them", id, mapped[id], unmapped[id])
		}
	}
	for id := range unmapped {
		if !known[id] {
			t.Errorf("%s is said not to be mapped, and there is no such check", id)
		}
	}
}

// A report never says that a control is met, and no published title is repeated.
func TestTextsAreOurOwnAndPromiseNothing(t *testing.T) {
	for _, c := range testkit.Must(controls.All())(t) {
		for _, control := range c.Controls {
			texts := []string{control.Title}
			for _, e := range control.Checks {
				texts = append(texts, e.Note)
			}
			for _, text := range texts {
				for _, word := range []string{"complian", "Ensure that", "must be", "must have"} {
					if strings.Contains(text, word) {
						t.Errorf("%s %s: %q", c.Name, control.ID, text)
					}
				}
			}
			if !strings.Contains(control.Source, "github.com/") && !strings.Contains(control.Source, "https://") {
				t.Errorf("%s %s: nobody finds its source: %q", c.Name, control.ID, control.Source)
			}
		}
	}
}

func TestVersionsOfOneBenchmarkHaveSourcesOfTheirOwn(t *testing.T) {
	all := testkit.Must(controls.All())(t)
	old, recent := all[0], all[1]
	if len(old.Controls) != len(recent.Controls) || old.Controls[0].Source == recent.Controls[0].Source || recent.Controls[0].Title == "" {
		t.Errorf("%v\n%v", old.Controls[0], recent.Controls[0])
	}
}
