// Package keyusage counts what still needs each version of each key: the values of all layers of
// all sources, by key, and the DEK sources that lie under it. It reads what stands beside the
// ciphertext, so that it needs no right to decrypt.
//
// It is pure. Its memory depends on the number of keys, sources and DEK sources (less than 256
// bytes for each of the latter), never on values or their sizes. It keeps no byte of a value and
// no DEK source, only hashes under keys of its own run.
package keyusage

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
)

// Bounds on what a damaged or hostile store can make a Register remember.
const (
	maxKeys   = 10_000
	maxDEKs   = 4 << 20
	maxNamed  = 100    // objects of one Use
	maxNames  = 20_000 // objects of all
	maxName   = 512    // bytes of one name; Kubernetes allows 253
	maxLayers = 8      // of one source
)

// Key is one version of one key, as the values show it.
type Key struct {
	Format storedvalue.Format
	// Name is that of the KMS provider, or of the key in an EncryptionConfiguration.
	Name string
	// KeyID is what a KMS v2 plugin calls the version, and Version that of the Vault Transit key; 0
	// where the values do not show one.
	KeyID   string
	Version uint32
	// Envelope, Cluster and LocalKEK, in bytes, are those of the DEK sources.
	Envelope          storedvalue.Envelope
	Cluster, LocalKEK string
	// Rest stands for all keys beyond those that are told apart.
	Rest bool
}

// Use is what needs one key in one layer of one source.
type Use struct {
	// Layer is the index of the layer's scope among all scopes, in the order of Begin.
	Layer int
	// Values is how many are under the key, and Needed how many of them somebody reads, or would
	// read if the file were used.
	Values, Needed int64
	// DEKSources is how many different ones they have, and Most the number of values under one of
	// them. Both are low where Register.Overflow is set.
	DEKSources, Most int64
	// First and Last are the lowest and the highest revision that wrote one of the values; 0
	// where that is not known. What was retracted counts here.
	First, Last int64
	// Objects are the first of those that Needed counts, where they have to be named.
	Objects []check.Object
}

// Usage is everything that was counted of one key.
type Usage struct {
	Key
	Uses []Use
	// DEKSources is how many different ones there are in all sources.
	DEKSources int64
}

// Counts are the values of one layer.
type Counts struct {
	Plaintext, Encrypted int64
	// Malformed are those that claim to be encrypted and that no API server can read, Unknown
	// those of a provider that is not known, and Cut those of which only a part is there.
	Malformed, Unknown, Cut int64
	// UnknownNeeded are those of Unknown that somebody reads, or would read if the file were used.
	UnknownNeeded int64
	// DEKSources is how many different ones are in the layer, of all keys.
	DEKSources int64
}

// Register counts the values of any number of sources. The zero value is not usable; see New. It
// is used by one goroutine.
type Register struct {
	named  func(Key) bool
	keys   []Key
	index  map[Key]uint32
	uses   map[at]*Use
	counts []Counts
	deks   deks
	names  int
}

// at is a key in a layer.
type at struct {
	key   uint32
	layer int
}

// New makes an empty register. Objects of the keys that named tells are named; nil for none.
func New(named func(Key) bool) *Register {
	if named == nil {
		named = func(Key) bool { return false }
	}
	return &Register{named: named, index: map[Key]uint32{}, uses: map[at]*Use{}, deks: newDEKs()}
}

// Overflow reports whether there were more DEK sources than could be told apart.
func (r *Register) Overflow() bool { return r.deks.overflow }

// Counts are those of each layer, in the order of Begin.
func (r *Register) Counts() []Counts { return r.counts }

// Usages are the keys that values are under, each with its uses in the order of the layers.
func (r *Register) Usages() (all []Usage) {
	uses := make([][]Use, len(r.keys))
	for at, u := range r.uses {
		if u.Values > 0 {
			uses[at.key] = append(uses[at.key], *u)
		}
	}
	distinct := r.deks.distinct(len(r.keys))
	for i, list := range uses {
		if len(list) > 0 {
			slices.SortFunc(list, func(a, b Use) int { return a.Layer - b.Layer })
			all = append(all, Usage{r.keys[i], list, distinct[i]})
		}
	}
	slices.SortFunc(all, func(a, b Usage) int { return a.compare(b.Key) })
	return all
}

// Reading is one reading of one source. It ends with Keep or Drop, before another one begins.
type Reading struct {
	r      *Register
	first  int // index of the first layer
	layers []record.Layer
	prefix []string
	needed func(record.Origin) bool
	parsed storedvalue.Value // of the record that is added
}

// Begin begins the reading of a source with these scopes. needed says which of its values
// somebody reads, or would read if the file were used.
func (r *Register) Begin(scopes []record.Scope, needed func(record.Origin) bool) *Reading {
	reading := &Reading{r: r, first: len(r.counts), needed: needed}
	for _, s := range scopes[:min(len(scopes), maxLayers)] {
		reading.layers = append(reading.layers, s.Layer)
		reading.prefix = append(reading.prefix, trimmed(s.Prefix))
	}
	r.counts = append(r.counts, make([]Counts, len(reading.layers))...)
	return reading
}

// Keep ends the reading of a source that was read as a whole.
func (g *Reading) Keep() {
	g.r.deks.keep(len(g.layers), func(key uint32, layer int, values int64) {
		g.r.counts[g.first+layer].DEKSources++
		if u := g.r.uses[at{key, g.first + layer}]; u != nil {
			u.DEKSources++
			u.Most = max(u.Most, values)
		}
	})
}

// Drop ends the reading of a source that is to be read again, or could not be read as a whole:
// nothing of it is counted, and the next source has the indexes of its layers.
func (g *Reading) Drop() {
	for at, u := range g.r.uses {
		if at.layer >= g.first {
			g.r.names -= len(u.Objects)
			delete(g.r.uses, at)
		}
	}
	g.r.counts = g.r.counts[:g.first]
	g.r.deks.drop()
}

// Add counts one value, or takes back one that is retracted. A record of a layer that is in no
// scope of the source is not counted.
func (g *Reading) Add(rec record.Record) {
	layer := slices.Index(g.layers, rec.Origin.Layer)
	if layer < 0 || rec.Tombstone || rec.Within {
		return
	}
	one := int64(1)
	if rec.Retracted {
		one = -1
	}
	v := rec.Parsed
	if v == nil {
		g.parsed = storedvalue.Parse(rec.Value)
		v = &g.parsed
	}
	counts := &g.r.counts[g.first+layer]
	switch {
	case v.Format.Plaintext():
		counts.Plaintext += one
	case v.Problem != storedvalue.NoProblem && rec.Head:
		counts.Cut += one
	case v.Problem != storedvalue.NoProblem:
		counts.Malformed += one
	case v.Format == storedvalue.UnknownEncryption:
		counts.Unknown += one
		if g.needed(rec.Origin) {
			counts.UnknownNeeded += one
		}
	default:
		counts.Encrypted += one
		g.count(v, &rec, layer, one)
	}
}

func (g *Reading) count(v *storedvalue.Value, rec *record.Record, layer int, one int64) {
	key := g.keyOf(v, layer, one)
	where := at{key, g.first + layer}
	u := g.r.uses[where]
	if u == nil {
		u = &Use{Layer: where.layer}
		g.r.uses[where] = u
	}
	u.Values += one
	if rev := rec.ModRevision; rev > 0 {
		if u.First == 0 || rev < u.First {
			u.First = rev
		}
		u.Last = max(u.Last, rev)
	}
	if !g.needed(rec.Origin) {
		return
	}
	u.Needed += one
	switch {
	case !g.r.named(g.r.keys[key]):
	case rec.Retracted:
		o := object(g.prefix[layer], rec)
		n := len(u.Objects)
		u.Objects = slices.DeleteFunc(u.Objects, func(of check.Object) bool {
			return of.Resource == o.Resource && of.Namespace == o.Namespace && of.Name == o.Name
		})
		g.r.names -= n - len(u.Objects)
	case len(u.Objects) < maxNamed && g.r.names < maxNames:
		u.Objects = append(u.Objects, object(g.prefix[layer], rec))
		g.r.names++
	}
}

// keyOf counts a value under its DEK source, if it has one, and returns the number of its key, which
// a DEK source that is known tells as well.
func (g *Reading) keyOf(v *storedvalue.Value, layer int, one int64) uint32 {
	if v.Format != storedvalue.KMSv1 && v.Format != storedvalue.KMSv2 {
		return g.r.key(v)
	}
	of, known := g.r.deks.find(v)
	if !known {
		key := g.r.key(v)
		if of = g.r.deks.add(key); of == nil {
			return key
		}
	}
	// What is retracted was added before, but where there was no more room for its source then.
	if here := &of.here[layer]; one > 0 {
		*here++
	} else if *here > 0 {
		*here--
	}
	return of.key
}

// key is the number of a value's key. A key that is known is found without copying its texts.
func (r *Register) key(v *storedvalue.Value) uint32 {
	version, _ := v.VaultKeyVersion()
	cluster, _ := v.Cluster()
	if i, ok := r.index[Key{
		Format: v.Format, Name: string(v.Name), KeyID: string(v.KeyID), Version: version,
		Envelope: v.Envelope(), Cluster: string(cluster), LocalKEK: string(v.LocalKEK()),
	}]; ok {
		return i
	}
	k := Key{Format: v.Format, Rest: true}
	if len(r.keys) < maxKeys {
		k = Key{
			Format: v.Format, Name: string(v.Name), KeyID: string(v.KeyID), Version: version,
			Envelope: v.Envelope(), Cluster: string(cluster), LocalKEK: string(v.LocalKEK()),
		}
	}
	i, ok := r.index[k]
	if !ok {
		i = uint32(len(r.keys)) //nolint:gosec // at most maxKeys and the formats
		r.index[k] = i
		r.keys = append(r.keys, k)
	}
	return i
}
