package rules

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// found is the values that a finding is about.
type found struct {
	values    int64
	objects   []*auditv1.Object // those of them that the inventory names, in order
	resources []*inventory.Resource
	per       []string // "secrets (3 of 5)", for each of the resources
}

// find collects the values of all groups that a finding is about, and what it
// says of each object of such a group.
func find(in Input, about func(*inventory.Resource, *inventory.Count) (detail string, ok bool)) (f found) {
	for _, r := range in.Inventory.Resources() {
		var n int64
		for _, c := range r.Groups() {
			detail, ok := about(r, c)
			if !ok {
				continue
			}
			n += c.Values
			for _, o := range c.Objects {
				f.objects = append(f.objects, &auditv1.Object{
					Resource: term.Printable(o.Resource), Namespace: term.Printable(o.Namespace), Name: term.Printable(o.Name), Detail: detail,
				})
			}
		}
		if n > 0 {
			f.values += n
			f.resources = append(f.resources, r)
			f.per = append(f.per, fmt.Sprintf("%s (%d of %d)", term.Printable(r.String()), n, r.Values))
		}
	}
	// The objects of a resource stand there by group, and not in the order of
	// their names.
	slices.SortStableFunc(f.objects, func(a, b *auditv1.Object) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return f
}

// outcome is that of a finding about these values.
func (f found) outcome(status auditv1.Status, summary string) Outcome {
	return Outcome{Status: status, Count: f.values, Objects: f.objects, Summary: summary, resources: f.resources}
}
