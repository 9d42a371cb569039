package kmsplugin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// How a probe makes versions ready that are not held.

// readyAtOnce is how many versions are made ready together: few enough that a
// Vault that takes a second for each request gets done with them within a probe.
const readyAtOnce = 4

// errNoSealing is the key store's refusal to derive or to encrypt. Whether the
// key decrypts is another matter.
var errNoSealing = errors.New("nothing can be sealed with it")

// missing lists the versions that the key store has and that are not held, the
// newest first: those that can be written with, and those that only decrypt.
// only, unless 0, leaves all others for later.
func (p prober) missing(f *findings, held map[string]*version, only int) (todo, blanks []*candidate) {
	numbers := slices.Sorted(maps.Keys(f.key.Created))
	for _, n := range slices.Backward(numbers) {
		id := versionID(f.key, n)
		sealable := !p.readOnly && n >= f.key.OldestSealable() && n <= f.key.Latest
		have := held[id]
		if n < f.key.MinDecryption || have != nil && !(have.canary.blank() && sealable) {
			continue
		}
		if only != 0 && n != only {
			f.partial = true
			continue
		}
		c := &candidate{version: &version{number: n, binding: envelope.Binding{Cluster: p.cluster, KeyID: id}}}
		if sealable {
			todo = append(todo, c)
			continue
		}
		c.canary.sealed = envelope.DecoyCanary(n)
		blanks = append(blanks, c)
	}
	return todo, blanks
}

// makeReady adds versions to f, a few at a time. What is wrong with one of them
// goes into f.prepareErr; an error ends it, and what was added until then stays.
func (p prober) makeReady(ctx context.Context, f *findings, todo, blanks []*candidate) error {
	if err := p.adopt(ctx, f, blanks); err != nil {
		return err
	}
	for some := range slices.Chunk(todo, readyAtOnce) {
		if err := p.makeSomeReady(ctx, f, some); err != nil {
			return err
		}
	}
	return nil
}

// makeSomeReady derives, wraps and plants a canary for versions that may be
// written with, and has all of it opened again.
func (p prober) makeSomeReady(ctx context.Context, f *findings, some []*candidate) error {
	defer func() {
		for _, c := range some {
			clear(c.key)
		}
	}()
	made := some
	if p.envelope == EnvelopeLocal {
		var err error
		if made, err = p.derive(ctx, f, made); err != nil {
			return cannotSeal("derive local KEKs", err)
		}
	}
	made, err := p.wrap(ctx, f, made)
	if err != nil {
		return cannotSeal("wrap local KEKs", err)
	}
	return p.adopt(ctx, f, made)
}

// cannotSeal marks a refusal; an outage says nothing about what the key can do.
func cannotSeal(doing string, err error) error {
	switch backend.ClassOf(err) {
	case backend.Outage, backend.Credentials:
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%w: %s: %w", errNoSealing, doing, err)
	}
}

// derive fills in the local KEKs, and leaves out the versions that have none.
func (p prober) derive(ctx context.Context, f *findings, made []*candidate) (derived []*candidate, err error) {
	items := make([]backend.HMACItem, len(made))
	for i, c := range made {
		items[i] = backend.HMACItem{Version: c.number, Input: c.binding.DeriveLabel()}
	}
	results, err := p.backend.HMAC(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, c := range made {
		err := results[i].Err
		if err == nil {
			c.key, err = envelope.DeriveKEK(results[i].Data, c.binding)
			clear(results[i].Data)
		}
		if err == nil {
			c.kek, err = envelope.NewLocalKEK(c.key)
		}
		if err != nil {
			f.unready("derive local KEK of", c, err)
			continue
		}
		derived = append(derived, c)
	}
	return derived, nil
}

// wrap has the key store wrap local KEKs and canaries in one batch, and leaves
// out the versions where it would not.
func (p prober) wrap(ctx context.Context, f *findings, made []*candidate) (wrapped []*candidate, err error) {
	if len(made) == 0 {
		return nil, nil
	}
	type target struct {
		*candidate
		sealed *[]byte
	}
	var items []backend.EncryptItem
	var targets []target
	add := func(c *candidate, plain, aad []byte, sealed *[]byte) {
		items = append(items, backend.EncryptItem{Version: c.number, Plaintext: plain, AssociatedData: aad})
		targets = append(targets, target{c, sealed})
	}
	for _, c := range made {
		c.canary.plain = make([]byte, envelope.KEKSize)
		rand.Read(c.canary.plain) // never fails: crypto/rand ends the process instead
		add(c, c.canary.plain, c.binding.CanaryData(), &c.canary.sealed)
		if c.kek != nil {
			add(c, c.key, c.binding.WrapData(), &c.wrapped)
		}
	}
	results, err := p.backend.Encrypt(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.Err != nil {
			f.unready("wrap under", targets[i].candidate, r.Err)
			continue
		}
		*targets[i].sealed = r.Data
	}
	for _, c := range made {
		if c.canary.sealed != nil && (c.kek == nil || c.wrapped != nil) {
			wrapped = append(wrapped, c)
		}
	}
	return wrapped, nil
}

// adopt adds the versions that come back to f. One answer that is about more
// than its version is the error; it takes nothing from the others.
func (p prober) adopt(ctx context.Context, f *findings, made []*candidate) error {
	failed, err := p.open(ctx, made)
	if err != nil {
		return err
	}
	for _, c := range made {
		id := c.binding.KeyID
		if why := failed[id]; why != nil {
			if concernsKey(why) {
				err = why
			} else {
				f.unready("confirm", c, why)
			}
			continue
		}
		f.added = append(f.added, c.version)
		f.accepted = append(f.accepted, id)
		if p.keep && c.key != nil {
			if f.raw == nil {
				f.raw = map[string][]byte{}
			}
			f.raw[id], c.key = c.key, nil // handed over: whoever takes it overwrites it
		}
	}
	return err
}

// unready notes that one version cannot be made ready.
func (f *findings) unready(doing string, c *candidate, err error) {
	f.prepareErr = errors.Join(f.prepareErr, fmt.Errorf("%s %s: %w", doing, c.binding.KeyID, err))
}

// clear overwrites the local KEKs of findings that nobody takes over.
func (f findings) clear() {
	for _, key := range f.raw {
		clear(key)
	}
}
