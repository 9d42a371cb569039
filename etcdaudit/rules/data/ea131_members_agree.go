package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func membersAgree() rule {
	return rule{
		ID: "EA-131", Title: "All members hold the same data", Severity: check.High,
		Why:   "an API server reads from any member: what was changed in the file of one, or damaged there, is served by that one alone, and a scan of another does not see it",
		Reads: "the members' own hashes of their data at one revision (HashKV); where these cannot be had or differ, each key, its revision and an HMAC of its value from each member",
		Run: one(func(s facts.Store) check.Result {
			c := s.Members
			switch {
			case c == nil:
				return optional("the members were not compared", "scan again with --compare-members=hash")
			case s.Scope.StandIn != "":
				return check.Inapplicable(term.Printable(c.Why))
			case c.Why != "":
				return check.Unevaluated("", "the members could not be compared: "+term.Printable(c.Why), remedyLeftOut)
			case len(c.Members) == 0:
				return check.Unevaluated("", "etcd names no members", remedyLeftOut)
			case len(c.Members) == 1:
				return check.Inapplicable("this etcd has one member")
			case len(c.Members)-learners(c) == 1:
				return check.Inapplicable("this etcd has one member that votes")
			}
			var compared, left []string
			unread := int64(0)
			for _, m := range c.Members {
				name := term.Printable(m.Name) + " (" + m.ID + ")"
				if m.NotCompared == "" {
					compared = append(compared, name)
				} else {
					left = append(left, name+": "+term.Printable(m.NotCompared))
				}
				if m.NotCompared != "" && !m.Learner {
					unread++
				}
			}
			switch {
			case c.Differ:
				return differ(c, compared, left)
			case unread > 0:
				return check.Unevaluated("", fmt.Sprintf("%s not compared with the others: %s", number(unread, "member"), strings.Join(left, "; ")), remedyLeftOut)
			}
			summary := fmt.Sprintf("%s hold the same at revision %d, by %s", number(int64(len(compared)), "member"), c.Revision, way(c))
			if len(left) > 0 {
				summary += "; not compared: " + strings.Join(left, "; ")
			}
			return check.Passed("", summary)
		}),
	}
}

func learners(c *record.Comparison) (n int) {
	for _, m := range c.Members {
		if m.Learner {
			n++
		}
	}
	return n
}

// remedyLeftOut is for members that were to be compared: an API server may read from any of them.
const remedyLeftOut = "see to it that each member runs and answers at its client address from here (etcdctl endpoint status --cluster), and scan again; --compare-members=off leaves them out"

// optional is for what was not asked for.
func optional(reason, remedy string) check.Result {
	r := check.Unevaluated("", reason, remedy)
	r.Expected = true
	return r
}

func differ(c *record.Comparison, compared, left []string) check.Result {
	summary := fmt.Sprintf("at revision %d %s under the prefix differ between %s", c.Revision, number(c.Differing, "key"), strings.Join(compared, ", "))
	switch {
	case c.Differing > 0:
	case len(left) > 0:
		summary = fmt.Sprintf("the hashes at revision %d differ; which keys do could not be found out", c.Revision)
	default:
		summary = fmt.Sprintf("the hashes at revision %d differ between %s, and no key under the prefix does: older revisions, or keys elsewhere, are not the same", c.Revision, strings.Join(compared, ", "))
	}
	if len(left) > 0 {
		summary += "; not compared: " + strings.Join(left, "; ")
	}
	r := check.Failed("", summary, "find out which members are right (etcdctl get KEY --consistency=s --endpoints=ONE, for each), and who wrote to the file of the others; then replace those one by one: etcdctl member remove, an empty data directory, etcdctl member add")
	r.Count = c.Differing
	for _, key := range c.Keys {
		r.Objects = append(r.Objects, check.Object{Name: key})
	}
	return r
}

// way is how the members were compared.
func way(c *record.Comparison) string {
	if c.ByReading {
		return "keys, revisions and HMACs of values"
	}
	return "HashKV"
}
