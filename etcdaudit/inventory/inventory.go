// Package inventory counts what is stored: by resource, and within it by the
// way the values were written. It remembers the names of the objects that a
// report must list.
//
// It is pure, and its memory depends on the number of resources, of keys in use
// and of listed names, never on values or their sizes. It must never hold a
// byte of a value, nor a data key in any form.
package inventory

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Bounds on what a damaged or hostile store can make the inventory remember.
const (
	maxResources = 5_000  // distinct paths
	maxGroups    = 10_000 // distinct ways of writing, over all resources
	maxListed    = 1_000  // names of damaged values, of each kind
	maxName      = 512    // bytes of one name; Kubernetes allows 253
)

// Other stands for resources beyond maxResources, and Shapeless for keys that
// no API server builds.
const (
	Other     = "(other resources)"
	Shapeless = "(keys of another shape)"
)

// Group is one way of writing a value.
type Group struct {
	Format  storedvalue.Format
	Problem storedvalue.Problem
	// Name is the key's or the KMS provider's name. It and what follows are
	// only set for well-formed values: a damaged one could show anything there.
	Name         string
	KeyID        string
	VaultVersion uint32 // 0 for none
	Envelope     storedvalue.Envelope
	Cluster      string
	// Rest stands for all the ways of encryption beyond maxGroups: nothing is
	// known about their keys.
	Rest bool
}

// Count is how often a group occurs.
type Count struct {
	Group
	Values int64
	// NewestRevision is the highest mod_revision among them.
	NewestRevision int64
}

// Resource is what is stored of one resource.
type Resource struct {
	storedvalue.Resource
	Values    int64
	Plaintext int64
	Encrypted int64
	Malformed int64
	Unknown   int64 // encrypted by a provider that storedvalue does not know

	groups map[string]*Count
}

// Groups returns the ways of writing, the most frequent first.
func (r *Resource) Groups() []*Count {
	return slices.SortedFunc(maps.Values(r.groups), func(a, b *Count) int {
		return cmp.Or(
			cmp.Compare(b.Values, a.Values), cmp.Compare(a.Format, b.Format), cmp.Compare(a.Problem, b.Problem),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.VaultVersion, b.VaultVersion),
			cmp.Compare(a.Envelope, b.Envelope), cmp.Compare(a.Cluster, b.Cluster),
		)
	})
}

// Object names one stored object.
type Object struct {
	Resource  string
	Namespace string
	Name      string
	Problem   storedvalue.Problem
}

// Inventory counts values. The zero value is not usable; see New.
type Inventory struct {
	Prefix string
	Keys   int64
	Bytes  int64 // of values
	// Outside is the number of keys that the same etcd holds elsewhere, which
	// were not read; -1 if it is not known.
	Outside int64

	// PlaintextSecrets are all Secrets stored as plaintext, in the order of
	// their keys.
	PlaintextSecrets []Object
	// Malformed and Unknown are the first maxListed of each.
	Malformed, Unknown []Object

	resources map[string]*Resource
	groups    int
	scratch   []byte
}

// New returns an empty inventory of the keys under prefix, which has no
// trailing slash.
func New(prefix string) *Inventory {
	return &Inventory{Prefix: prefix, resources: map[string]*Resource{}}
}

// Add counts one value. It keeps neither key nor value.
func (inv *Inventory) Add(key, value []byte, modRevision int64) {
	inv.Keys++
	inv.Bytes += int64(len(value))
	k, shaped := storedvalue.ParseKey(inv.Prefix, key)
	v := storedvalue.Parse(value)
	r := inv.resource(k, shaped)
	r.Values++
	inv.count(r, v, modRevision)

	switch {
	case v.Format.Plaintext():
		r.Plaintext++
		if shaped && k.IsSecret() {
			inv.PlaintextSecrets = append(inv.PlaintextSecrets, object(r, k, key, v))
		}
	case v.Problem != storedvalue.NoProblem:
		r.Malformed++
		if len(inv.Malformed) < maxListed {
			inv.Malformed = append(inv.Malformed, object(r, k, key, v))
		}
	case v.Format == storedvalue.UnknownEncryption:
		r.Unknown++
		if len(inv.Unknown) < maxListed {
			inv.Unknown = append(inv.Unknown, object(r, k, key, v))
		}
	default:
		r.Encrypted++
	}
}

func object(r *Resource, k storedvalue.Key, key []byte, v storedvalue.Value) Object {
	o := Object{Resource: r.String(), Namespace: shortened(k.Namespace), Name: shortened(k.Name), Problem: v.Problem}
	if o.Name == "" {
		o.Name = shortened(key)
	}
	return o
}

func shortened(name []byte) string {
	if len(name) > maxName {
		return string(name[:maxName]) + "..."
	}
	return string(name)
}

func (inv *Inventory) resource(k storedvalue.Key, shaped bool) *Resource {
	if !shaped || len(k.Path) > maxName {
		return inv.special(Shapeless)
	}
	if r, ok := inv.resources[string(k.Path)]; ok {
		return r
	}
	if len(inv.resources) >= maxResources && !k.IsSecret() {
		return inv.special(Other)
	}
	r := &Resource{Resource: k.Resource(), groups: map[string]*Count{}}
	inv.resources[string(k.Path)] = r
	return r
}

func (inv *Inventory) special(name string) *Resource {
	r, ok := inv.resources[name]
	if !ok {
		r = &Resource{Resource: storedvalue.Resource{Name: name}, groups: map[string]*Count{}}
		inv.resources[name] = r
	}
	return r
}

func (inv *Inventory) count(r *Resource, v storedvalue.Value, modRevision int64) {
	c, ok := r.groups[string(inv.groupKey(v))]
	if !ok {
		c = inv.newGroup(r, v)
	}
	c.Values++
	c.NewestRevision = max(c.NewestRevision, modRevision)
}

func (inv *Inventory) newGroup(r *Resource, v storedvalue.Value) *Count {
	key, g := string(inv.groupKey(v)), groupOf(v)
	// Only what is well-formed and encrypted carries names that can be without
	// number. Plaintext must stay told apart: rules judge it by its group.
	if v.Encrypted() && inv.groups >= maxGroups {
		g = Group{Format: v.Format, Problem: v.Problem, Rest: true}
		key = "rest" + string([]byte{byte(v.Format), byte(v.Problem)})
		if c, ok := r.groups[key]; ok {
			return c
		}
	}
	inv.groups++
	c := &Count{Group: g}
	r.groups[key] = c
	return c
}

func groupOf(v storedvalue.Value) Group {
	g := Group{Format: v.Format, Problem: v.Problem}
	if !v.Encrypted() {
		return g
	}
	g.Name, g.KeyID = string(v.Name), string(v.KeyID)
	g.VaultVersion, _ = v.VaultKeyVersion()
	g.Envelope = v.Envelope()
	cluster, _ := v.Cluster()
	g.Cluster = string(cluster)
	return g
}

// groupKey encodes what groupOf returns into a buffer that is used again and
// again: nearly every value belongs to a known group, and finding it must not
// allocate.
func (inv *Inventory) groupKey(v storedvalue.Value) []byte {
	b := inv.scratch[:0]
	b = append(b, byte(v.Format), byte(v.Problem))
	if v.Encrypted() {
		version, _ := v.VaultKeyVersion()
		cluster, _ := v.Cluster()
		b = append(binary.LittleEndian.AppendUint32(b, version), byte(v.Envelope()))
		for _, field := range [][]byte{v.Name, v.KeyID, cluster} {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(field))), field...) //nolint:gosec // within a value, which has at most 2 GiB
		}
	}
	inv.scratch = b
	return b
}

// Resources returns what was counted, in the order of the resources' names.
func (inv *Inventory) Resources() []*Resource {
	return slices.SortedFunc(maps.Values(inv.resources), func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.Values, b.Values))
	})
}

// Secrets returns what was counted of core Secrets; nil if there are none.
func (inv *Inventory) Secrets() *Resource { return inv.resources["secrets"] }

// Has reports whether anything is stored under a resource's path, such as
// "namespaces".
func (inv *Inventory) Has(path string) bool { return inv.resources[path] != nil }

// Totals adds up all resources.
func (inv *Inventory) Totals() (total Resource) {
	for _, r := range inv.resources {
		total.Values += r.Values
		total.Plaintext += r.Plaintext
		total.Encrypted += r.Encrypted
		total.Malformed += r.Malformed
		total.Unknown += r.Unknown
	}
	return total
}
