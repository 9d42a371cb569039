package inventory

import (
	"maps"
	"slices"

	"github.com/sealproof/sealproof/internal/check"
)

// forget takes an object off the lists, and what has no value any more out of the inventory. The
// room that its name took is not given back.
func (inv *Inventory) forget(r *Resource, c *Count, o check.Object) {
	c.Objects = without(c.Objects, o)
	if c.Values == 0 {
		delete(r.groups, c.Group)
		inv.groups--
		clear(r.last) // lest the next value is counted where nobody looks
	}
	if r.Values == 0 {
		inv.last = nil
		maps.DeleteFunc(inv.resources, func(_ string, of *Resource) bool { return of == r })
	}
}

func without(list []check.Object, o check.Object) []check.Object {
	return slices.DeleteFunc(list, func(of check.Object) bool {
		return of.Namespace == o.Namespace && of.Name == o.Name && of.Resource == o.Resource
	})
}
