package tls

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/advisory"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func etcdAdvisories() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-320", Title: "etcd's version has no known advisory", Severity: check.Medium,
		Why:   "what is published about a release is known to attackers too; several advisories of 2026 are about access without authorization",
		Reads: "the versions that etcd's addresses tell, and those in the binaries on the node, beside the advisories that this program was built with",
		Run: func(f facts.Facts) []check.Result {
			var found []running
			if f.Wire != nil {
				for _, l := range f.Wire.Listeners {
					if l.Version != "" {
						found = append(found, running{cmp.Or(l.Member, l.URL), l.Version, l.URL})
					}
				}
			}
			if f.Host != nil {
				for _, e := range f.Host.Etcds {
					if e.Process != nil && e.Process.Version != "" {
						found = append(found, running{e.Name, e.Process.Version, e.Process.Executable})
					}
				}
			}
			return judgeVersionsOf(advisory.Etcd, found)
		},
	}
}

// running is a version that a program was seen with: who runs it, and where that was seen.
type running struct{ who, version, source string }

// judgeVersionsOf has one result for each version: members of one version need one answer.
func judgeVersionsOf(program string, found []running) (results []check.Result) {
	seen := map[string][]check.Evidence{}
	for _, r := range found {
		seen[r.version] = append(seen[r.version], check.Evidence{Source: r.source, Seen: term.Printable(r.who + ": " + program + " " + r.version)})
	}
	for _, version := range slices.Sorted(maps.Keys(seen)) {
		r := judgeVersion(program, version)
		r.Target = term.Printable(program + " " + version)
		r.Identity = []string{program, version}
		results = append(results, with(r, seen[version]...))
	}
	if results == nil {
		return []check.Result{check.Unevaluated("", "no version of "+program+" was seen", "run etcdaudit all as root on a control-plane node, with a certificate that etcd accepts")}
	}
	return results
}

func judgeVersion(program, version string) check.Result {
	advisories, err := advisory.Match(program, version)
	if err != nil {
		return check.Unevaluated("", err.Error(), "")
	}
	if len(advisories) == 0 {
		return check.Passed("", "no advisory that was known on "+advisory.Checked+" is about it")
	}
	var ids, fixes []string
	var objects []check.Object
	for _, a := range advisories {
		ids, fixes = append(ids, a.ID), append(fixes, a.FixedIn(version))
		detail := a.Title
		if a.Condition != "" {
			detail += "; matters where " + a.Condition
		}
		objects = append(objects, check.Object{Resource: "advisory", Name: a.ID, Detail: detail + "; " + strings.Join(a.Sources, " ")})
	}
	slices.Sort(fixes)
	conditional := slices.IndexFunc(advisories, func(a advisory.Advisory) bool { return a.Condition == "" }) < 0
	do := "upgrade to a release with all fixes: " + strings.Join(slices.Compact(fixes), ", ")
	r := check.Failed("", strings.Join(ids, ", "), do)
	if conditional {
		r = check.Warned("", fmt.Sprintf("%s; each matters under a condition only", strings.Join(ids, ", ")), do)
	}
	r.Objects, r.Count = objects, int64(len(objects))
	return r
}
