package cluster

import (
	"cmp"
	"maps"
	"slices"

	"github.com/sealproof/sealproof/test/components"
)

// Version is one line of a header that says what was run.
type Version struct {
	Name    components.Name
	Version string // "v1.37.1"; "this checkout" for the product's own programs
}

// Versions returns the programs that this cluster was given, by name.
func (c *Cluster) Versions() []Version {
	var list []Version
	for _, name := range slices.Sorted(maps.Keys(c.opts.Binaries)) {
		list = append(list, Version{Name: name, Version: cmp.Or(c.opts.Binaries[name].Version, "this checkout")})
	}
	return list
}
