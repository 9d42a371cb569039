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
	kek     *seal.LocalKEK // nil with envelope: vault
	wrapped []byte         // the local KEK as wrapped by the key store
	canary  canary
}

// canary is a random value that the key store sealed for us. Having it opened
// again shows that the version still decrypts, at the risk of nothing.
type canary struct{ plain, sealed []byte }

// prober asks the key store everything that a snapshot is made of.
type prober struct {
	backend  backend.Backend
	cluster  string
	envelope string
	boot     func() time.Duration
}

// findings is what one probe brings home.
type findings struct {
	outcome
	key   backend.Key // valid if outcome.err is nil
	clock backend.ClockReading
	added []*version
	// prepareErr is why versions that are listed could not be made ready,
	// although the key answered.
	prepareErr error
}

// probe asks for the key and has all canaries opened: two requests, however many
// versions are held. For versions not seen before it takes an HMAC each, and one
// request that wraps all of them.
func (p prober) probe(ctx context.Context, held map[string]*version) findings {
	f := findings{outcome: outcome{at: p.boot()}}
	f.key, f.err = p.backend.ReadKey(ctx)
	if f.err != nil {
		return f
	}
	f.clock = f.key.Clock
	made, err := p.prepare(ctx, f.key, held)
	if err != nil {
		switch backend.ClassOf(err) {
		case backend.Outage, backend.Credentials:
			f.err = err
			return f
		default:
			f.prepareErr = err
		}
	}
	f.err = p.confirm(ctx, &f, held, made)
	return f
}

// candidate is a version whose local KEK is not yet known to come back.
type candidate struct {
	*version
	key []byte // the derived local KEK; nil with envelope: vault
}

// prepare derives, wraps and plants a canary for every version that may be
// written with and is not held yet.
func (p prober) prepare(ctx context.Context, key backend.Key, held map[string]*version) ([]candidate, error) {
	var made []candidate
	for _, n := range slices.Sorted(maps.Keys(key.Created)) {
		id := seal.KeyID(key.Mount, key.Name, n, key.Created[n])
		if held[id] == nil && n >= key.OldestSealable() && n <= key.Latest {
			made = append(made, candidate{version: &version{number: n, binding: seal.Binding{Cluster: p.cluster, KeyID: id}}})
		}
	}
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
	var items []backend.DecryptItem
	var ids []string
	var want [][]byte
	ask := func(id string, sealed, aad, plain []byte) {
		items = append(items, backend.DecryptItem{Ciphertext: sealed, AssociatedData: aad})
		ids, want = append(ids, id), append(want, plain)
	}
	for _, v := range held {
		ask(v.binding.KeyID, v.canary.sealed, v.binding.CanaryData(), v.canary.plain)
	}
	for _, c := range made {
		ask(c.binding.KeyID, c.canary.sealed, c.binding.CanaryData(), c.canary.plain)
		if c.kek != nil {
			ask(c.binding.KeyID, c.wrapped, c.binding.WrapData(), c.key)
		}
	}
	defer func() {
		for _, c := range made {
			clear(c.key)
		}
	}()
	if len(items) == 0 {
		return nil
	}
	results, err := p.backend.Decrypt(ctx, items)
	if err != nil {
		return fmt.Errorf("open canaries: %w", err)
	}
	failed := map[string]error{}
	for i, r := range results {
		err := r.Err
		if err == nil && subtle.ConstantTimeCompare(r.Data, want[i]) != 1 {
			err = errors.New("what was wrapped came back different")
		}
		clear(r.Data)
		if err != nil {
			failed[ids[i]] = err
		}
	}
	return p.judge(f, held, made, failed)
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
		if err := failed[c.binding.KeyID]; err != nil {
			f.prepareErr = errors.Join(f.prepareErr, fmt.Errorf("confirm %s: %w", c.binding.KeyID, err))
			continue
		}
		f.accepted = append(f.accepted, c.binding.KeyID)
		f.added = append(f.added, c.version)
	}
	// A version that may only decrypt can have no canary. That it is listed,
	// and that another version of the same key was just opened, is as good.
	if len(f.accepted) > 0 {
		for n, created := range f.key.Created {
			id := seal.KeyID(f.key.Mount, f.key.Name, n, created)
			if n >= f.key.MinDecryption && n < f.key.OldestSealable() && held[id] == nil {
				f.accepted = append(f.accepted, id)
			}
		}
	}
	return nil
}
