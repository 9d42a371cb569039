package report

import (
	"cmp"
	"slices"
	"strings"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// mostReaders is how many readers are shown. JSON has all.
const mostReaders = 20

// readers shows who may read Secrets: those who may read all of them first, since the others
// may be many, and of those that every cluster has the number alone.
func (p *printer) readers(list []*auditv1.Reader) {
	if len(list) == 0 {
		return
	}
	others := slices.DeleteFunc(byInterest(list), func(r *auditv1.Reader) bool { return r.BuiltIn })
	p.line("")
	p.line("Who may read Secrets through the API server, beside the control plane's own (%d in --output json):", len(list)-len(others))
	if len(others) == 0 {
		p.line("  no other subject, by RBAC")
	}
	for _, r := range others[:min(len(others), mostReaders)] {
		p.wrap("    ", "  %s %s, %s: %s, by %s of %s", r.Kind, r.Name, where(r), strings.Join(r.Verbs, ", "), r.Binding, r.Role)
	}
	if more := len(others) - mostReaders; more > 0 {
		p.line("  and %d more in --output json", more)
	}
}

// byInterest puts those that every cluster has last, and of the others those first who may
// read all Secrets.
func byInterest(list []*auditv1.Reader) []*auditv1.Reader {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b *auditv1.Reader) int { return cmp.Compare(interest(a), interest(b)) })
	return sorted
}

func interest(r *auditv1.Reader) int {
	if r.BuiltIn {
		return 3
	}
	return reach(r)
}

func reach(r *auditv1.Reader) int {
	switch {
	case r.Namespace == "" && len(r.Secrets) == 0:
		return 0
	case len(r.Secrets) == 0:
		return 1
	default:
		return 2
	}
}

func where(r *auditv1.Reader) string {
	of := "everywhere"
	if r.Namespace != "" {
		of = "namespace " + r.Namespace
	}
	switch len(r.Secrets) {
	case 0:
		return of
	case 1:
		return of + ": " + r.Secrets[0]
	default:
		return of + ": " + r.Secrets[0] + " and others"
	}
}
