// Package advisory says which published advisories a release of etcd or kube-apiserver is
// affected by. The data is in advisories.yaml, with its sources; a release that is not in
// it is not thereby safe. The package does no I/O.
package advisory

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"
)

// Checked is the day on which the data was last compared with its sources.
const Checked = "2026-11-27"

// The programs that there are advisories of.
const (
	Etcd      = "etcd"
	APIServer = "kube-apiserver"
)

//go:embed advisories.yaml
var data []byte

// Advisory is one published advisory.
type Advisory struct {
	// ID is the CVE, or the GHSA where there is none.
	ID      string   `json:"id"`
	Aliases []string `json:"aliases"`
	Program string   `json:"program"`
	Title   string   `json:"title"`
	// Condition is what must be set for it to matter; empty if nothing must be.
	Condition string   `json:"condition"`
	Affected  []Range  `json:"affected"`
	Sources   []string `json:"sources"` // URLs
}

// Range is affected from Introduced on, to before Fixed. Introduced is "0" for always.
type Range struct {
	Introduced string `json:"introduced"`
	Fixed      string `json:"fixed"`
}

// All returns every advisory. The error is one of the data that is built in.
func All() (all []Advisory, err error) {
	if err := yaml.UnmarshalStrict(data, &all); err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	return all, nil
}

// Match returns the advisories that a program's version is affected by ("3.6.8",
// "v1.33.4+k3s1"). It returns an error, and not nothing, for a version that cannot be
// read.
//
// A distribution may have fixed an advisory without a new version of the program. Only the
// version counts here.
func Match(program, release string) (found []Advisory, err error) {
	running, err := parse(release)
	if err != nil {
		return nil, err
	}
	all, err := All()
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Program != program {
			continue
		}
		for _, r := range a.Affected {
			affected, err := r.holds(running)
			if err != nil {
				return nil, fmt.Errorf("advisory %s: %w", a.ID, err)
			}
			if affected {
				found = append(found, a)
				break
			}
		}
	}
	return found, nil
}

// FixedIn returns the first release with the fix for the line of a version that is
// affected; empty if it is not.
func (a Advisory) FixedIn(release string) string {
	running, err := parse(release)
	if err != nil {
		return ""
	}
	for _, r := range a.Affected {
		if affected, err := r.holds(running); err == nil && affected {
			return r.Fixed
		}
	}
	return ""
}

func (r Range) holds(running *version.Version) (bool, error) {
	fixed, err := parse(r.Fixed)
	if err != nil {
		return false, err
	}
	if r.Introduced == "0" {
		return running.LessThan(fixed), nil
	}
	introduced, err := parse(r.Introduced)
	if err != nil {
		return false, err
	}
	return running.AtLeast(introduced) && running.LessThan(fixed), nil
}

// parse reads a semantic version. A suffix is one of a release before the final one only
// if it says so: v1.33.4-eks-1234567 is a build of 1.33.4, and not older than it.
func parse(text string) (*version.Version, error) {
	numbers, suffix, _ := strings.Cut(text, "-")
	if !slices.ContainsFunc([]string{"alpha", "beta", "rc"}, func(stage string) bool { return strings.HasPrefix(suffix, stage) }) {
		text = numbers
	}
	v, err := version.ParseSemantic(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no version: want three numbers, such as 3.6.8", text)
	}
	return v, nil
}
