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

	"github.com/sealproof/sealproof/etcdaudit/encryptionconfig"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Bounds on what a damaged or hostile store can make the inventory remember.
const (
	maxResources = 5_000  // distinct paths
	maxGroups    = 10_000 // distinct ways of writing, over all resources
	maxListed    = 1_000  // names of one group
	maxAllListed = 20_000 // names of all groups, but for minListed of each
	minListed    = 10     // names of each group, for one must not take the room of all
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
	// Standing is how the values stand to the EncryptionConfiguration; Opened is
	// set where one of its keys opened them.
	Standing encryptionconfig.Standing
	Opened   bool
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
	// Objects are the first of them, where a finding may have to name them: all
	// plaintext Secrets, a bounded number of any other group.
	Objects []Object
}

// Resource is what is stored of one resource.
type Resource struct {
	storedvalue.Resource
	Values    int64
	Plaintext int64
	Encrypted int64
	Malformed int64
	Unknown   int64 // encrypted by a provider that storedvalue does not know
	// Rule is what the EncryptionConfiguration says of the resource, if Ruled;
	// without a configuration, where the API group is not known, and of what is
	// Mixed, nothing.
	Rule  encryptionconfig.Rule
	Ruled bool
	// Foreign is set where the configuration is another API server's.
	Foreign bool

	// Mixed is set for what is counted together because no resource is known for
	// it: Other and Shapeless.
	Mixed bool

	shown  string // String, made once: rules sort by it again and again
	groups map[string]*Count
}

func newResource(r storedvalue.Resource) *Resource {
	return &Resource{Resource: r, shown: r.String(), groups: map[string]*Count{}}
}

// Groups returns the ways of writing, the most frequent first.
func (r *Resource) Groups() []*Count {
	return slices.SortedFunc(maps.Values(r.groups), func(a, b *Count) int {
		return cmp.Or(
			cmp.Compare(b.Values, a.Values), cmp.Compare(a.Format, b.Format), cmp.Compare(a.Problem, b.Problem),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.VaultVersion, b.VaultVersion),
			cmp.Compare(a.Envelope, b.Envelope), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Standing, b.Standing),
		)
	})
}

// Object names one stored object.
type Object struct {
	Resource  string
	Namespace string
	Name      string
}

// Inventory counts values. The zero value is not usable; see New.
type Inventory struct {
	Prefix string
	// Config is the EncryptionConfiguration that every value is judged by, nil
	// for none. It is set before the first Add and stays: what was added without
	// it is not judged.
	Config *encryptionconfig.Config
	Keys   int64
	Bytes  int64 // of values
	// Outside is the number of keys that the same etcd holds elsewhere, which
	// were not read; -1 if it is not known.
	Outside int64

	resources map[string]*Resource
	// definitions are the names of the CustomResourceDefinitions.
	definitions map[string]bool
	groups      int
	listed      int
	scratch     []byte
}

// New returns an empty inventory of the keys under prefix, which has no
// trailing slash.
func New(prefix string) *Inventory {
	return &Inventory{Prefix: prefix, resources: map[string]*Resource{}, definitions: map[string]bool{}}
}

// Add counts one value. It keeps neither key nor value.
func (inv *Inventory) Add(key, value []byte, modRevision int64) {
	inv.Keys++
	inv.Bytes += int64(len(value))
	k, shaped := storedvalue.ParseKey(inv.Prefix, key)
	r := inv.resource(k, shaped, key, value)
	verdict := encryptionconfig.Verdict{Value: storedvalue.Parse(value)}
	if r.Ruled {
		verdict = r.Rule.Judge(key, verdict.Value)
	}
	r.Values++
	c := inv.count(r, verdict, modRevision)

	switch v := verdict.Value; {
	case v.Format.Plaintext():
		r.Plaintext++
	case v.Problem != storedvalue.NoProblem:
		r.Malformed++
	case v.Format == storedvalue.UnknownEncryption:
		r.Unknown++
	default:
		r.Encrypted++
	}
	inv.list(r, c, k, key)
	if shaped && string(k.Path) == Definitions && len(inv.definitions) <= maxResources {
		inv.definitions[shortened(k.Name)] = true
	}
}

// list remembers an object's name if a finding can be about its group.
func (inv *Inventory) list(r *Resource, c *Count, k storedvalue.Key, key []byte) {
	switch {
	case c.Format.Plaintext() && r == inv.Secrets():
		// All of them: their credentials have to be changed.
	case !c.mayBeNamed() || len(c.Objects) >= maxListed || inv.listed >= 2*maxAllListed ||
		inv.listed >= maxAllListed && len(c.Objects) >= minListed:
		return
	default:
		inv.listed++
	}
	o := Object{Resource: r.shown, Namespace: shortened(k.Namespace), Name: shortened(k.Name)}
	if o.Name == "" {
		o.Name = shortened(key)
	}
	c.Objects = append(c.Objects, o)
}

// mayBeNamed reports whether a finding can be about the group. Whether a KMS v2
// value is stale is only known when all have been read.
func (g Group) mayBeNamed() bool {
	switch g.Format {
	case storedvalue.KMSv1, storedvalue.KMSv2, storedvalue.UnknownEncryption:
		return true
	default:
		return g.Problem != storedvalue.NoProblem || g.Standing > encryptionconfig.AsConfigured
	}
}

func shortened(name []byte) string {
	if len(name) > maxName {
		return string(name[:maxName]) + "..."
	}
	return string(name)
}

func (inv *Inventory) resource(k storedvalue.Key, shaped bool, key, value []byte) *Resource {
	if isKineHealth(key, value) {
		return inv.kineHealth()
	}
	if !shaped || len(k.Path) > maxName {
		return inv.special(Shapeless)
	}
	if r, ok := inv.resources[string(k.Path)]; ok {
		return r
	}
	if len(inv.resources) >= maxResources && !k.IsSecret() {
		return inv.special(Other)
	}
	return inv.begin(string(k.Path), k.Resource())
}

// begin makes room for a resource, with the rule that the configuration has for it.
func (inv *Inventory) begin(path string, of storedvalue.Resource) *Resource {
	r := newResource(of)
	if inv.Config != nil {
		r.Foreign = inv.Config.Foreign(r.Resource)
	}
	if inv.Config != nil && !r.Foreign {
		r.Rule, r.Ruled = inv.Config.For(r.Resource)
	}
	inv.resources[path] = r
	return r
}

func (inv *Inventory) special(name string) *Resource {
	r, ok := inv.resources[name]
	if !ok {
		r = newResource(storedvalue.Resource{Name: name})
		r.Mixed = true
		inv.resources[name] = r
	}
	return r
}

func (inv *Inventory) count(r *Resource, verdict encryptionconfig.Verdict, modRevision int64) *Count {
	c, ok := r.groups[string(inv.groupKey(verdict))]
	if !ok {
		c = inv.newGroup(r, verdict)
	}
	c.Values++
	c.NewestRevision = max(c.NewestRevision, modRevision)
	return c
}

func (inv *Inventory) newGroup(r *Resource, verdict encryptionconfig.Verdict) *Count {
	key, g := string(inv.groupKey(verdict)), groupOf(verdict)
	// Only what is well-formed and encrypted carries names that can be without
	// number. Plaintext must stay told apart: rules judge it by its group.
	if verdict.Value.Encrypted() && inv.groups >= maxGroups {
		g = Group{Format: g.Format, Problem: g.Problem, Standing: g.Standing, Opened: g.Opened, Rest: true}
		key = "rest" + key[:ofRest]
		if c, ok := r.groups[key]; ok {
			return c
		}
	}
	inv.groups++
	c := &Count{Group: g}
	r.groups[key] = c
	return c
}

func groupOf(verdict encryptionconfig.Verdict) Group {
	v := verdict.Value
	g := Group{Format: v.Format, Problem: v.Problem, Standing: verdict.Standing, Opened: verdict.Opened}
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

// ofRest is the length of the part of a group's key that groups beyond
// maxGroups are still told apart by.
const ofRest = 4

// groupKey encodes what groupOf returns into a buffer that is used again and
// again: nearly every value belongs to a known group, and finding it must not
// allocate.
func (inv *Inventory) groupKey(verdict encryptionconfig.Verdict) []byte {
	v := verdict.Value
	b := inv.scratch[:0]
	b = append(b, byte(v.Format), byte(v.Problem), byte(verdict.Standing), 0)
	if verdict.Opened {
		b[ofRest-1] = 1
	}
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
		return cmp.Or(cmp.Compare(a.shown, b.shown), cmp.Compare(a.Values, b.Values))
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
