package kmsplugin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/seal"
)

// version is one version of the key as this replica can use it. It is immutable.
type version struct {
	number  int
	binding seal.Binding
	kek     *seal.LocalKEK // nil with envelope: vault, and where canary is blank
	wrapped []byte         // the local KEK as wrapped by the key store
	canary  canary
}

// canary is a random value that the key store sealed for us. Having it opened
// again shows that the version still decrypts, at the risk of nothing.
//
// For a version that nothing may be sealed under it is blank: random bytes in the
// form of a ciphertext. That they do not authenticate is then the good answer:
// the key store gives it only for a version, and to a caller, that may decrypt.
type canary struct{ plain, sealed []byte }

func (c canary) blank() bool { return c.plain == nil }

// opens says what the key store's answer to the canary means: nil if the version
// decrypts.
func (c canary) opens(answer backend.Result) error {
	switch {
	case c.blank() && backend.ClassOf(answer.Err) == backend.Item:
		return nil
	case answer.Err != nil:
		return answer.Err
	case subtle.ConstantTimeCompare(answer.Data, c.plain) != 1:
		return errors.New("what was wrapped came back different")
	}
	return nil
}

// prober asks the key store everything that a snapshot is made of.
type prober struct {
	backend  backend.Backend
	cluster  string
	envelope string
	// readOnly is set for a key that is never written with.
	readOnly bool
	// keep is set where local KEKs have to survive this process.
	keep bool
	boot func() time.Duration
}

// findings is what one probe brings home.
type findings struct {
	outcome
	key   backend.Key // valid if outcome.err is nil
	clock backend.ClockReading
	added []*version
	// raw holds the bytes of the local KEKs among added, by key_id, where
	// prober.keep asks for them.
	raw map[string][]byte
	// partial is set when versions were left for the next probe.
	partial bool
	// prepareErr is why versions that are listed could not be made ready,
	// although the key answered.
	prepareErr error
}

// probe asks for the key and has all canaries opened: two requests, however many
// versions are held. For versions not seen before it takes an HMAC each, and one
// request that wraps all of them. If first is given, only the version that it
// chooses is made ready: whoever starts must not wait for all of them.
func (p prober) probe(ctx context.Context, held map[string]*version, first func(backend.Key) int) findings {
	f := findings{outcome: outcome{at: p.boot()}}
	f.key, f.err = p.backend.ReadKey(ctx)
	if f.err != nil {
		return f
	}
	f.clock = f.key.Clock
	only := 0
	if first != nil {
		only = first(f.key)
	}
	todo, blanks := p.missing(f.key, held, only, &f)
	made, err := p.prepare(ctx, todo)
	if err != nil {
		switch backend.ClassOf(err) {
		case backend.Outage, backend.Credentials:
			f.err = err
			return f
		default:
			f.prepareErr = err
		}
	}
	f.err = p.confirm(ctx, &f, held, append(made, blanks...))
	return f
}

// candidate is a version whose local KEK is not yet known to come back.
type candidate struct {
	*version
	key []byte // the derived local KEK; nil with envelope: vault
}

// missing lists the versions that the key store has and that are not held:
// those that can be written with, and those that only decrypt. only, unless 0,
// leaves all others for later.
func (p prober) missing(key backend.Key, held map[string]*version, only int, f *findings) (todo, blanks []candidate) {
	for _, n := range slices.Sorted(maps.Keys(key.Created)) {
		id := seal.KeyID(key.Mount, key.Name, n, key.Created[n])
		sealable := !p.readOnly && n >= key.OldestSealable() && n <= key.Latest
		have := held[id]
		if n < key.MinDecryption || have != nil && !(have.canary.blank() && sealable) {
			continue
		}
		if only != 0 && n != only {
			f.partial = true
			continue
		}
		c := candidate{version: &version{number: n, binding: seal.Binding{Cluster: p.cluster, KeyID: id}}}
		if sealable {
			todo = append(todo, c)
			continue
		}
		c.canary.sealed = seal.Unopenable(n)
		blanks = append(blanks, c)
	}
	return todo, blanks
}

// prepare derives, wraps and plants a canary for versions that may be written
// with.
func (p prober) prepare(ctx context.Context, made []candidate) ([]candidate, error) {
	if len(made) == 0 {
		return nil, nil
	}
	var failed []error
	if p.envelope == EnvelopeLocal {
		var err error
		if made, failed, err = p.derive(ctx, made); err != nil {
			return nil, err
		}
	}
	made, more, err := p.wrap(ctx, made)
	if err != nil {
		return nil, err
	}
	return made, errors.Join(append(failed, more...)...)
}

// derive fills in the local KEKs, and leaves out the versions that have none.
func (p prober) derive(ctx context.Context, made []candidate) (derived []candidate, failed []error, err error) {
	items := make([]backend.HMACItem, len(made))
	for i, c := range made {
		items[i] = backend.HMACItem{Version: c.number, Input: c.binding.DeriveLabel()}
	}
	results, err := p.backend.HMAC(ctx, items)
	if err != nil {
		return nil, nil, fmt.Errorf("derive local KEKs: %w", err)
	}
	for i, c := range made {
		err := results[i].Err
		if err == nil {
			c.key, err = seal.DeriveKEK(results[i].Data, c.binding)
			clear(results[i].Data)
		}
		if err == nil {
			c.kek, err = seal.NewLocalKEK(c.key)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("derive local KEK of %s: %w", c.binding.KeyID, err))
			continue
		}
		derived = append(derived, c)
	}
	return derived, failed, nil
}

// wrap has the key store wrap local KEKs and canaries in one batch, and leaves
// out the versions where it would not.
func (p prober) wrap(ctx context.Context, made []candidate) (wrapped []candidate, failed []error, err error) {
	var items []backend.EncryptItem
	var targets []*[]byte
	for _, c := range made {
		c.canary.plain = make([]byte, seal.KEKSize)
		rand.Read(c.canary.plain) // never fails: crypto/rand ends the process instead
		items = append(items, backend.EncryptItem{Version: c.number, Plaintext: c.canary.plain, AssociatedData: c.binding.CanaryData()})
		targets = append(targets, &c.canary.sealed)
		if c.kek != nil {
			items = append(items, backend.EncryptItem{Version: c.number, Plaintext: c.key, AssociatedData: c.binding.WrapData()})
			targets = append(targets, &c.wrapped)
		}
	}
	if len(items) == 0 {
		return nil, nil, nil
	}
	results, err := p.backend.Encrypt(ctx, items)
	if err != nil {
		return nil, nil, fmt.Errorf("wrap local KEKs: %w", err)
	}
	for i, r := range results {
		if r.Err != nil {
			failed = append(failed, fmt.Errorf("wrap under version %d: %w", items[i].Version, r.Err))
			continue
		}
		*targets[i] = r.Data
	}
	for _, c := range made {
		if c.canary.sealed != nil && (c.kek == nil || c.wrapped != nil) {
			wrapped = append(wrapped, c)
		}
	}
	return wrapped, failed, nil
}

// confirm has every canary opened, and every new local KEK unwrapped and
// compared: nothing may be sealed with a key that does not come back.
func (p prober) confirm(ctx context.Context, f *findings, held map[string]*version, made []candidate) error {
	defer func() {
		for _, c := range made {
			clear(c.key)
		}
	}()
	// A new version takes the place of one that is held under its key_id.
	checked := make(map[string]candidate, len(held)+len(made))
	for id, v := range held {
		checked[id] = candidate{version: v}
	}
	for _, c := range made {
		checked[c.binding.KeyID] = c
	}
	var items []backend.DecryptItem
	var asked []check
	ask := func(id string, sealed, aad []byte, opens func(backend.Result) error) {
		items = append(items, backend.DecryptItem{Ciphertext: sealed, AssociatedData: aad})
		asked = append(asked, check{id, opens})
	}
	for id, c := range checked {
		ask(id, c.canary.sealed, c.binding.CanaryData(), c.canary.opens)
		if c.key != nil {
			ask(id, c.wrapped, c.binding.WrapData(), canary{plain: c.key}.opens)
		}
	}
	if len(items) == 0 {
		return nil
	}
	results, err := p.backend.Decrypt(ctx, items)
	if err != nil {
		return fmt.Errorf("open canaries: %w", err)
	}
	failed := map[string]error{}
	for i, r := range results {
		if err := asked[i].opens(r); err != nil {
			failed[asked[i].id] = err
		}
		clear(r.Data)
	}
	return p.judge(f, held, made, failed)
}

// check is one question about the version id.
type check struct {
	id    string
	opens func(backend.Result) error
}

// judge sorts the versions into accepted, refused and neither. An answer that is
// not about a version ends the probe with that error.
func (p prober) judge(f *findings, held map[string]*version, made []candidate, failed map[string]error) error {
	for _, err := range failed {
		if _, ok := errors.AsType[*backend.Error](err); !ok {
			continue
		}
		switch c := backend.ClassOf(err); c {
		case backend.Outage, backend.Credentials, backend.Refusal, backend.Unsuitable:
			return fmt.Errorf("open canaries: %w", err)
		}
	}
	for id := range held {
		switch err := failed[id]; {
		case err == nil:
			f.accepted = append(f.accepted, id)
		case backend.ClassOf(err) == backend.VersionRefusal:
			f.refused = append(f.refused, id)
		}
	}
	for _, c := range made {
		id := c.binding.KeyID
		if err := failed[id]; err != nil {
			f.prepareErr = errors.Join(f.prepareErr, fmt.Errorf("confirm %s: %w", id, err))
			continue
		}
		if held[id] == nil {
			f.accepted = append(f.accepted, id)
		}
		f.added = append(f.added, c.version)
		if p.keep && c.key != nil {
			if f.raw == nil {
				f.raw = map[string][]byte{}
			}
			f.raw[id] = slices.Clone(c.key)
		}
	}
	return nil
}
