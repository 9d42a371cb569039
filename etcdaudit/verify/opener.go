package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Config is what values are opened with. One is shared by all Openers of a run.
type Config struct {
	// Sources unwraps KMS v2; nil where nothing can.
	Sources *Sources
	// Keys are those of the EncryptionConfiguration, in any order, whatever resource
	// they are for. Whether an API server would choose the one that opens a value is
	// what etcdaudit/drift says.
	Keys []*keyring.Key
	// Prefixes are those of the etcd keys, without a slash at the end; by default
	// those of Prefixes. A value that was moved, or restored, between them is
	// recognised.
	Prefixes []string
	// Kinds are those of resources that are not built in, by their path in etcd:
	// "example.com/widgets".
	Kinds map[string]string
}

// Prefixes returns these prefixes, and those that API servers are known to use: the default
// of --etcd-prefix, and OpenShift's.
func Prefixes(these ...string) []string {
	for _, known := range []string{"/registry", "/kubernetes.io", "/openshift.io"} {
		if !slices.Contains(these, known) {
			these = append(these, known)
		}
	}
	return these
}

// Opener opens one value after the other. It is not safe for concurrent use: each
// goroutine has its own.
type Opener struct {
	sources *Sources
	keys    []*keyring.Key
	places  *places

	// plaintext is of the value that is being opened, and second that of a trial
	// beside it. Both are overwritten before Open returns.
	plaintext, second []byte

	encoder encoder
	// last is the source of the value before, which is mostly that of the next one,
	// and recent what is kept of others, by their encoding: its SHA-256 would take
	// as long as all else but the decrypting.
	last       unwrapped
	lastSource []byte
	recent     map[string]unwrapped
	held       int // bytes of these encodings
	// kinds has each Kind once: nearly every value has one that was there before.
	kinds map[Kind]Kind
}

// unwrapped is a source with its key, which is nil where it did not open.
type unwrapped struct {
	id    ID
	entry *entry
	key   *keyring.Key
}

// maxRecent bounds the data keys that an Opener keeps ready, each about 1.5 KiB. There
// are as many as API servers and their starts since the last rewrite.
const maxRecent = 1024

// maxHeld bounds the bytes of their encodings, which have a few hundred each, and can have more
// than 32 KiB.
const maxHeld = 1 << 20

// New returns an Opener. The caller clears it.
func New(c Config) *Opener {
	prefixes := c.Prefixes
	if len(prefixes) == 0 {
		prefixes = Prefixes()
	}
	if c.Sources == nil {
		c.Sources = NewSources(nil)
	}
	return &Opener{sources: c.Sources, keys: c.Keys, places: newPlaces(prefixes, c.Kinds), recent: map[string]unwrapped{}, kinds: map[Kind]Kind{}}
}

// Clear forgets the keys that the Opener has made ready.
func (o *Opener) Clear() {
	for _, u := range o.recent {
		u.forget()
	}
	clear(o.recent)
	o.last, o.lastSource, o.held = unwrapped{}, nil, 0
}

func (u unwrapped) forget() {
	if u.key != nil {
		u.key.Clear()
	}
}

// Open opens the value that is stored under an etcd key. It waits where a DEK source
// has to be unwrapped.
func (o *Opener) Open(ctx context.Context, etcdKey, value []byte) Result {
	return o.open(ctx, etcdKey, value, storedvalue.Parse(value))
}

func (o *Opener) open(ctx context.Context, etcdKey, value []byte, v storedvalue.Value) Result {
	switch v.Format {
	case storedvalue.KMSv2:
		return o.openKMSv2(ctx, etcdKey, v)
	case storedvalue.AESCBC, storedvalue.AESGCM, storedvalue.Secretbox:
		return o.openNamed(etcdKey, v)
	case storedvalue.KMSv1:
		return Result{Why: "KMS v1: its plugins speak another protocol"}
	case storedvalue.UnknownEncryption:
		return Result{Why: "an encryption provider that this program does not know"}
	default:
		return o.opened(etcdKey, value)
	}
}

func (o *Opener) openKMSv2(ctx context.Context, etcdKey []byte, v storedvalue.Value) Result {
	if v.Problem != storedvalue.NoProblem {
		return Result{Outcome: Damaged, Why: v.Problem.String()}
	}
	u := o.unwrapped(ctx, v)
	if u.key == nil {
		return Result{Outcome: u.entry.outcome, Why: u.entry.why, Source: u.id}
	}
	r, ok := o.try(u.key, etcdKey, v.Ciphertext)
	if !ok {
		// Who has unwrapped the source has authenticated it: its key is the right one.
		if r = o.explain(u.key, etcdKey, v.Ciphertext); r.Outcome == WrongKey {
			r = Result{Outcome: Damaged, Why: "its DEK source opens: its first bytes, or the DEK source beside it, are not its own"}
		}
	}
	r.Source = u.id
	return r
}

// unwrapped returns the source of a KMS v2 value.
func (o *Opener) unwrapped(ctx context.Context, v storedvalue.Value) unwrapped {
	source := o.encoder.encode(v)
	if o.last.entry != nil && bytes.Equal(source, o.lastSource) {
		return o.last
	}
	u, ok := o.recent[string(source)]
	if !ok {
		id := ID(sha256.Sum256(source))
		u = unwrapped{id: id, entry: o.sources.of(ctx, id, v)}
		if u.entry.outcome == Opened {
			u.key, _ = keyring.NewDataKey(v.DEKSourceType, u.entry.secret) // Sources has tried it
		}
		if len(o.recent) == maxRecent || o.held+len(source) > maxHeld {
			o.Clear()
		}
		o.recent[string(source)] = u
		o.held += len(source)
	}
	o.last, o.lastSource = u, append(o.lastSource[:0], source...)
	return u
}

// openNamed tries the keys of the EncryptionConfiguration on a value: those of its
// name, then all others of its kind.
func (o *Opener) openNamed(etcdKey []byte, v storedvalue.Value) Result {
	kind, found := v.Format.String(), Result{}
	for _, k := range o.keys {
		named, ok := v.Under(k.Name)
		if k.Kind != kind || !ok || named.Problem != storedvalue.NoProblem {
			continue
		}
		r, ok := o.try(k, etcdKey, named.Ciphertext)
		if ok {
			return r
		}
		if r = o.explain(k, etcdKey, named.Ciphertext); found.Outcome < r.Outcome {
			found = r // that its key fits says more than that a namesake does not
		}
	}
	switch {
	case found.Outcome > WrongKey:
		return found
	case found.Outcome == NotEvaluated && v.Problem != storedvalue.NoProblem:
		return Result{Outcome: Damaged, Why: v.Problem.String()}
	}
	for _, k := range o.keys {
		if _, named := v.Under(k.Name); k.Kind != kind || named {
			continue
		}
		r, ok := o.try(k, etcdKey, v.Ciphertext)
		if ok {
			r.Outcome, r.Name = OtherName, k.Name
			return r
		}
		if r = o.explain(k, etcdKey, v.Ciphertext); found.Outcome < r.Outcome {
			found = r
			if r.Outcome > WrongKey {
				found.Name = k.Name
			}
		}
	}
	if found.Outcome == NotEvaluated {
		found.Why = "no key of this provider was given"
	}
	return found
}

// try opens a ciphertext with a key; ok is false if it does not fit.
func (o *Opener) try(k *keyring.Key, etcdKey, ciphertext []byte) (r Result, ok bool) {
	plaintext, ok := k.Open(o.plaintext, ciphertext, etcdKey)
	if !ok {
		return Result{}, false
	}
	o.plaintext = plaintext[:0]
	defer clear(plaintext)
	return o.opened(etcdKey, plaintext), true
}

// opened says what a plaintext is.
func (o *Opener) opened(etcdKey, plaintext []byte) Result {
	object, ok := storedvalue.ReadObject(plaintext)
	switch {
	case !ok:
		return Result{Outcome: NoObject}
	case !object.Complete && object.Length == len(plaintext) && storedvalue.PlaintextFormat(plaintext) != storedvalue.YAML: // which ends anywhere
		return Result{Outcome: NoObject, Why: "it ends within the object"}
	}
	r := Result{Outcome: Opened}
	o.identify(&r, etcdKey, object)
	if r.Identity == Same && string(object.Kind) == definitionKind {
		r.Defines = definition(plaintext)
	}
	return r
}

// identify says what stands there.
func (o *Opener) identify(r *Result, etcdKey []byte, object storedvalue.Object) {
	identity, path := o.places.identity(etcdKey, object)
	switch r.Identity = identity; {
	case identity == Differs:
		r.Holds = objectOf(object)
	case path != nil && len(object.Kind) > 0 && called(object.Kind) != noName:
		r.Custom = o.kind(path, object.Kind)
	}
}

// maxKinds bounds the kinds that an Opener keeps. A store can have a path for each value.
const maxKinds = 5000

// kind returns a Kind that is made at its first use only. Beyond maxKinds it is none.
func (o *Opener) kind(path, name []byte) Kind {
	if k, ok := o.kinds[Kind{string(path), string(name)}]; ok || len(o.kinds) == maxKinds || max(len(path), len(name)) > 2*maxName {
		return k
	}
	k := Kind{string(path), string(name)}
	o.kinds[k] = k
	return k
}

// objectOf copies what an object is called.
func objectOf(o storedvalue.Object) Object {
	return Object{Kind: called(o.Kind), Namespace: called(o.Namespace), Name: called(o.Name)}
}

// noName stands in the place of what cannot be a name.
const noName = "(no name)"

// called copies a name. In a value that nothing authenticates a changed length makes data a part of
// it: between them are bytes that no name has.
func called(text []byte) string {
	ok := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-.:_", c)
	}
	name := string(text[:min(len(text), maxName)])
	if strings.ContainsFunc(name, func(c rune) bool { return !ok(c) }) {
		return noName
	}
	return name
}

// maxName is the longest name of an object, in bytes (a DNS subdomain).
const maxName = 253

// explain says why a key that a value names does not open it. Decrypted without
// authentication, what the key has written still shows as an object: then the key
// fits, and the value was changed, or was written under another etcd key. The name
// of that is in the object, and the tag proves it.
func (o *Opener) explain(k *keyring.Key, etcdKey, ciphertext []byte) Result {
	revealed := k.Reveal(o.plaintext, ciphertext)
	defer clear(revealed)
	o.plaintext = revealed[:0]
	object, ok := storedvalue.ReadObject(revealed)
	if !ok || len(object.Kind) == 0 {
		return Result{Outcome: WrongKey}
	}
	r := Result{Outcome: Damaged}
	if k.Bound() {
		o.places.of(etcdKey, object, func(place string) bool {
			plaintext, ok := k.Open(o.second, ciphertext, []byte(place))
			if ok {
				clear(plaintext)
				o.second = plaintext[:0]
				r = Result{Outcome: Moved, From: place}
				o.identify(&r, etcdKey, object)
			}
			return !ok
		})
	}
	return r
}
