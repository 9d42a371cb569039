package data

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/internal/check"
)

// found is the values that a finding is about.
type found struct {
	values    int64
	objects   []check.Object // those of them that the inventory names, in order
	resources []*inventory.Resource
	per       []string // "secrets (3 of 5)", for each of the resources
}

// find collects the values of all groups that a finding is about, and what it says of
// each object of such a group.
func find(s facts.Store, about func(*inventory.Resource, *inventory.Count) (detail string, ok bool)) (f found) {
	for _, r := range s.Inventory.Resources() {
		var n int64
		for _, c := range r.Groups() {
			detail, ok := about(r, c)
			if !ok {
				continue
			}
			n += c.Values
			for _, o := range c.Objects {
				o.Detail = detail
				f.objects = append(f.objects, o)
			}
		}
		if n > 0 {
			f.values += n
			f.resources = append(f.resources, r)
			f.per = append(f.per, fmt.Sprintf("%s (%d of %d)", r, n, r.Values))
		}
	}
	// Within a resource the objects are in the order of the groups, not of their names.
	slices.SortStableFunc(f.objects, func(a, b check.Object) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return f
}

// finding is the result about these values.
func (f found) finding(s facts.Store, status check.Status, summary string, do step) check.Result {
	return check.Result{Status: status, Summary: summary, Remedy: do.in(s.Inventory, f.resources), Count: f.values, Objects: f.objects}
}
