// Package inventory counts what is stored in one layer: by resource, and within it by
// the way the values were written. It remembers the names of the objects that a report
// must list.
//
// It is pure. Its memory depends on the number of resources, of keys in use and of
// listed names, never on values or their sizes; only nonces of live aesgcm values are kept
// one by one, up to a limit (see nonces). It must never hold a byte of an object, nor a
// data key in any form.
package inventory

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
)

// Bounds on what a damaged or hostile store can make the inventory remember.
const (
	maxResources = 5_000    // distinct paths
	maxGroups    = 10_000   // distinct ways of writing, over all resources
	maxSecrets   = 20_000   // names of plaintext Secrets
	maxListed    = 1_000    // names of one other group
	maxAllListed = 20_000   // names of all other groups, but for minListed of each
	minListed    = 10       // names of each group, so that one cannot take the room of all
	maxName      = 512      // bytes of one name; Kubernetes allows 253
	maxBytes     = 32 << 20 // of the names of plaintext Secrets, and of all others
)

// Other stands for resources beyond maxResources, and Shapeless for keys that
// no API server builds.
const (
	Other     = "(other resources)"
	Shapeless = "(keys of another shape)"
)

// secretsPath is where API servers keep core Secrets.
const secretsPath = "secrets"

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
	// Unseeded is set where KMS v2 encrypts with the DEK source itself and not with keys
	// derived from it, as Kubernetes did up to 1.28.
	Unseeded bool
	// Drift is how the values relate to the EncryptionConfiguration; Opened is set
	// where one of its keys opened them.
	Drift  drift.Drift
	Opened bool
	// Rest stands for all the ways of encryption beyond maxGroups: nothing is
	// known about their keys.
	Rest bool
}

// Count is how often a group occurs.
type Count struct {
	Group
	Values int64
	// Decrypted and Undecryptable are how many of them were opened, and cannot be; both are 0
	// where nothing was to be opened. Who opens them counts here.
	Decrypted, Undecryptable int64
	// OldestRevision and NewestRevision are the lowest and the highest mod_revision among them.
	OldestRevision, NewestRevision int64
	// Writes is how often their etcd keys were written since they were created, by whatever
	// provider.
	Writes int64
	// Objects are the first of them, where a finding may have to name them. Their
	// text is safe to show.
	Objects []check.Object
}

// Resource is what is stored of one resource.
type Resource struct {
	apiresource.Resource
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

	name   string // what String returns, made once: rules sort by it again and again
	groups map[Group]*Count
	path   string // in the keys; empty for what is Mixed
	// last has, by format, the group of the value before: mostly that of the next one too.
	last []*Count
}

func newResource(r apiresource.Resource) *Resource {
	return &Resource{Resource: r, name: term.Printable(r.String()), groups: map[Group]*Count{}, last: make([]*Count, len(storedvalue.Formats()))}
}

// String returns "name" or "name.group", safe to show.
func (r *Resource) String() string { return r.name }

// secrets reports whether it is core Secrets.
func (r *Resource) secrets() bool { return r.path == secretsPath }

// Groups returns the ways of writing, the most frequent first.
func (r *Resource) Groups() []*Count {
	return slices.SortedFunc(maps.Values(r.groups), func(a, b *Count) int {
		return cmp.Or(
			cmp.Compare(b.Values, a.Values), cmp.Compare(a.Format, b.Format), cmp.Compare(a.Problem, b.Problem),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.VaultVersion, b.VaultVersion),
			cmp.Compare(a.Envelope, b.Envelope), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Drift, b.Drift), cmp.Compare(number(a.Unseeded), number(b.Unseeded)),
		)
	})
}

// Inventory counts the values of one layer. The zero value is not usable; see New.
type Inventory struct {
	// Prefix is that of the keys, without its last slash.
	Prefix string
	// Config is the EncryptionConfiguration that every value is judged by; nil for
	// none.
	Config *encryptionconfig.Config
	Keys   int64
	Bytes  int64 // of values

	resources map[string]*Resource
	last      *Resource // that of the value before
	// definitions are the names of the CustomResourceDefinitions.
	definitions map[string]bool
	groups      int
	secrets     listed // plaintext Secrets
	others      listed
	embedded    Embedded
	nonces      nonces
}

// listed counts the objects that are named, and the bytes of their names.
type listed struct{ objects, bytes int }

func (l listed) reached(objects, bytes int) bool { return l.objects >= objects || l.bytes >= bytes }

// New returns an empty inventory of the keys under prefix, which has no trailing
// slash, judged by config unless that is nil.
func New(prefix string, config *encryptionconfig.Config) *Inventory {
	return &Inventory{Prefix: prefix, Config: config, resources: map[string]*Resource{}, definitions: map[string]bool{}}
}

// Add counts one value, or takes back one that was counted and is retracted, and returns the
// group that it is in; nil for a part of another value. It keeps neither key nor value.
func (inv *Inventory) Add(rec record.Record) *Count {
	one := int64(1)
	if rec.Retracted {
		one = -1
	}
	inv.Keys += one
	inv.Bytes += one * int64(len(rec.Value))
	k, shaped := storedvalue.ParseKey(inv.Prefix, rec.Key)
	r := inv.resource(k, shaped, rec)
	var verdict drift.Verdict
	if rec.Parsed != nil {
		verdict.Value = *rec.Parsed
	} else {
		verdict.Value = storedvalue.Parse(rec.Value)
	}
	if verdict.Value.Format.Plaintext() && !r.secrets() {
		inv.embed(r, k, rec, one)
	}
	if rec.Within {
		return nil // it is a part of a value that is counted where it begins
	}
	if r.Ruled {
		verdict = drift.Of(r.Rule, rec.Key, verdict.Value)
	}
	r.Values += one
	c := inv.count(r, &verdict)
	c.add(rec, one)
	if v := &verdict.Value; v.Format == storedvalue.AESGCM && v.Problem == storedvalue.NoProblem && rec.Origin.Layer == record.Live {
		inv.nonces.add(v, verdict.Drift, rec)
	}

	switch v := &verdict.Value; {
	case v.Format.Plaintext():
		r.Plaintext += one
	case v.Problem != storedvalue.NoProblem:
		r.Malformed += one
	case v.Format == storedvalue.UnknownEncryption:
		r.Unknown += one
	default:
		r.Encrypted += one
	}
	if rec.Retracted {
		inv.forget(r, c, object(r, k, rec))
		return c
	}
	if l := inv.room(r, c); l != nil {
		o := object(r, k, rec)
		l.objects++
		l.bytes += len(o.Namespace) + len(o.Name)
		c.Objects = append(c.Objects, o)
	}
	if shaped && string(k.Path) == Definitions && len(inv.definitions) <= maxResources {
		inv.definitions[shortened(k.Name)] = true
	}
	return c
}

// Object names the object of an etcd key that was counted, and the revision of its value. Its text
// is safe to show.
func (inv *Inventory) Object(key []byte, revision int64) check.Object {
	rec := record.Record{Key: key, ModRevision: revision}
	k, shaped := storedvalue.ParseKey(inv.Prefix, key)
	return object(inv.resource(k, shaped, rec), k, rec)
}

// room returns the list that has room for one more name of a group; nil for none.
func (inv *Inventory) room(r *Resource, c *Count) *listed {
	if c.Format.Plaintext() && r.secrets() {
		// As many as possible: their credentials have to be changed.
		if inv.secrets.reached(maxSecrets, maxBytes) {
			return nil
		}
		return &inv.secrets
	}
	if !c.mayBeNamed() || len(c.Objects) >= maxListed || inv.others.reached(2*maxAllListed, 2*maxBytes) ||
		inv.others.reached(maxAllListed, maxBytes) && len(c.Objects) >= minListed {
		return nil
	}
	return &inv.others
}

func object(r *Resource, k storedvalue.Key, rec record.Record) check.Object {
	namespace, name := k.Namespace, k.Name
	switch {
	case r.Mixed:
		namespace, name = nil, rec.Key
	case len(name) == 0:
		name = rec.Key
	}
	o := check.Object{
		Resource: r.name, Namespace: term.Printable(shortened(namespace)), Name: term.Printable(shortened(name)),
		Revision: rec.ModRevision,
	}
	// Escaped or cut, two names can look the same, and would have one fingerprint.
	if max(len(namespace), len(name)) > maxName || strings.Contains(o.Resource+o.Namespace+o.Name, `\`) {
		o.Name += fmt.Sprintf(" (key sha256:%x)", sha256.Sum256(rec.Key))
	}
	if from := rec.Origin; from.File != "" {
		o.Origin = &check.Origin{Layer: string(from.Layer), File: from.File, Offset: from.Offset, Index: from.Index, Term: from.Term}
	}
	return o
}

// mayBeNamed reports whether a finding can be about the group. Whether a KMS v2
// value is stale is only known when all have been read.
func (g Group) mayBeNamed() bool {
	switch g.Format {
	case storedvalue.KMSv1, storedvalue.KMSv2, storedvalue.UnknownEncryption:
		return true
	default:
		return g.Problem != storedvalue.NoProblem || g.Drift > drift.AsConfigured
	}
}

func shortened(name []byte) string {
	if len(name) > maxName {
		return string(name[:maxName]) + "..."
	}
	return string(name)
}

func (inv *Inventory) resource(k storedvalue.Key, shaped bool, rec record.Record) *Resource {
	if isKineHealth(rec.Key, rec.Value) {
		return inv.kineHealth()
	}
	if !shaped || len(k.Path) > maxName {
		return inv.special(Shapeless)
	}
	if inv.last != nil && string(k.Path) == inv.last.path {
		return inv.last
	}
	if r, ok := inv.resources[string(k.Path)]; ok {
		inv.last = r
		return r
	}
	if len(inv.resources) >= maxResources && !k.IsSecret() {
		return inv.special(Other)
	}
	return inv.begin(string(k.Path), k.Resource())
}

// begin makes room for a resource, with the rule that the configuration has for it.
func (inv *Inventory) begin(path string, of apiresource.Resource) *Resource {
	r := newResource(of)
	r.path = path
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
		r = newResource(apiresource.Resource{Name: name})
		r.Mixed = true
		inv.resources[name] = r
	}
	return r
}

// count returns the group of a value. It is made in the expression that looks it up:
// there, and only there, Go does not copy the strings. Nearly every value belongs to a
// known group, and counting it must not allocate.
func (inv *Inventory) count(r *Resource, verdict *drift.Verdict) *Count {
	v := &verdict.Value
	if !v.Encrypted() {
		v = &storedvalue.Value{Format: v.Format, Problem: v.Problem}
	}
	version, _ := v.VaultKeyVersion()
	cluster, _ := v.Cluster()
	unseeded := v.Unseeded()
	if c := r.last[v.Format]; c != nil && c.Problem == v.Problem && c.Name == string(v.Name) && c.KeyID == string(v.KeyID) &&
		c.VaultVersion == version && c.Envelope == v.Envelope() && c.Cluster == string(cluster) && c.Unseeded == unseeded &&
		c.Drift == verdict.Drift && c.Opened == verdict.Opened && !c.Rest {
		return c
	}
	if c, ok := r.groups[Group{
		Format: v.Format, Problem: v.Problem, Name: string(v.Name), KeyID: string(v.KeyID), VaultVersion: version,
		Envelope: v.Envelope(), Cluster: string(cluster), Unseeded: unseeded, Drift: verdict.Drift, Opened: verdict.Opened,
	}]; ok {
		r.last[v.Format] = c
		return c
	}
	g := Group{Format: v.Format, Problem: v.Problem, Drift: verdict.Drift, Opened: verdict.Opened}
	switch {
	case !v.Encrypted():
		// Told apart without a limit: there are few, and rules judge plaintext by its
		// group.
	case inv.groups < maxGroups:
		g.Name, g.KeyID, g.VaultVersion = string(v.Name), string(v.KeyID), version
		g.Envelope, g.Cluster, g.Unseeded = v.Envelope(), string(cluster), unseeded
	default:
		g.Rest = true
		if c, ok := r.groups[g]; ok {
			return c
		}
	}
	inv.groups++
	c := &Count{Group: g}
	r.groups[g] = c
	return c
}

// Resources returns what was counted, in the order of the resources' names.
func (inv *Inventory) Resources() []*Resource {
	return slices.SortedFunc(maps.Values(inv.resources), func(a, b *Resource) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.Values, b.Values))
	})
}

// Foreign returns the resources that the configuration is not for.
func (inv *Inventory) Foreign() []*Resource {
	return slices.DeleteFunc(inv.Resources(), func(r *Resource) bool { return !r.Foreign })
}

// Secrets returns what was counted of core Secrets; nil if there are none.
func (inv *Inventory) Secrets() *Resource { return inv.resources[secretsPath] }

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
