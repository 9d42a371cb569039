package keystate

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

// provisionedAtOnce is how many versions are provisioned together: few enough that a
// Vault that takes a second for each request is done within a probe.
const provisionedAtOnce = 4

// errCannotWrap is the key store's refusal to derive or to encrypt. It says nothing
// about whether the key decrypts.
var errCannotWrap = errors.New("nothing can be wrapped with it")

// missing lists the versions that the key store has and that are not held, the
// newest first: those that can be written with, and those that only decrypt.
// only, unless 0, leaves all others for later.
func (p prober) missing(f *findings, held map[string]*Version, only int) (writable, decryptOnly []*Version) {
	numbers := slices.Sorted(maps.Keys(f.key.Created))
	for _, n := range slices.Backward(numbers) {
		id := versionID(f.key, n)
		canWrite := !p.settings.ReadOnly && n >= f.key.OldestSealable() && n <= f.key.Latest
		have := held[id]
		if n < f.key.MinDecryption || have != nil && !(have.canary.isDecoy() && canWrite) {
			continue
		}
		if only != 0 && n != only {
			f.partial = true
			continue
		}
		v := &Version{Number: n, Binding: envelope.Binding{Cluster: p.settings.Cluster, KeyID: id}}
		if canWrite {
			writable = append(writable, v)
			continue
		}
		v.canary.wrapped = envelope.DecoyCanary(n)
		decryptOnly = append(decryptOnly, v)
	}
	return writable, decryptOnly
}

// provision adds versions to f, a few at a time. What is wrong with one of them goes
// into f.provision. An error ends it; what was added until then stays.
func (p prober) provision(ctx context.Context, f *findings, writable, decryptOnly []*Version) error {
	if err := p.confirmNew(ctx, f, decryptOnly); err != nil {
		return err
	}
	for some := range slices.Chunk(writable, provisionedAtOnce) {
		if err := p.provisionSome(ctx, f, some); err != nil {
			return err
		}
	}
	return nil
}

// provisionSome derives the local KEKs of versions that may be written with, has them
// and a canary each wrapped, and has all of it unwrapped again.
func (p prober) provisionSome(ctx context.Context, f *findings, some []*Version) error {
	defer func() {
		for _, v := range some {
			if !p.settings.Retain || !slices.Contains(f.added, v) {
				clear(v.raw)
				v.raw = nil
			}
		}
	}()
	made := some
	if p.settings.LocalKEKs {
		var err error
		if made, err = p.derive(ctx, f, made); err != nil {
			return cannotWrap("derive local KEKs", err)
		}
	}
	made, err := p.wrap(ctx, f, made)
	if err != nil {
		return cannotWrap("wrap local KEKs", err)
	}
	return p.confirmNew(ctx, f, made)
}

// cannotWrap marks a refusal; an outage says nothing about what the key can do.
func cannotWrap(doing string, err error) error {
	switch backend.ClassOf(err) {
	case backend.Outage, backend.Credentials:
		return fmt.Errorf("%s: %w", doing, err)
	default:
		return fmt.Errorf("%w: %s: %w", errCannotWrap, doing, err)
	}
}

// derive fills in the local KEKs, and leaves out the versions that have none.
func (p prober) derive(ctx context.Context, f *findings, made []*Version) (derived []*Version, err error) {
	items := make([]backend.HMACItem, len(made))
	for i, v := range made {
		items[i] = backend.HMACItem{Version: v.Number, Input: v.Binding.DeriveLabel()}
	}
	results, err := p.backend.HMAC(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, v := range made {
		err := results[i].Err
		if err == nil {
			v.raw, err = envelope.DeriveKEK(results[i].Data, v.Binding)
			clear(results[i].Data)
		}
		if err == nil {
			v.KEK, err = envelope.NewLocalKEK(v.raw)
		}
		if err != nil {
			f.failed("derive local KEK of", v, err)
			continue
		}
		derived = append(derived, v)
	}
	return derived, nil
}

// wrap has the key store wrap local KEKs and canaries in one batch, and leaves
// out the versions where it would not.
func (p prober) wrap(ctx context.Context, f *findings, made []*Version) (wrapped []*Version, err error) {
	if len(made) == 0 {
		return nil, nil
	}
	type target struct {
		version *Version
		wrapped *[]byte
	}
	var items []backend.EncryptItem
	var targets []target
	add := func(v *Version, plain, aad []byte, wrapped *[]byte) {
		items = append(items, backend.EncryptItem{Version: v.Number, Plaintext: plain, AssociatedData: aad})
		targets = append(targets, target{v, wrapped})
	}
	for _, v := range made {
		v.canary.plain = make([]byte, envelope.KEKSize)
		rand.Read(v.canary.plain) // never fails: crypto/rand ends the process instead
		add(v, v.canary.plain, v.Binding.CanaryData(), &v.canary.wrapped)
		if v.KEK != nil {
			add(v, v.raw, v.Binding.WrapData(), &v.Wrapped)
		}
	}
	results, err := p.backend.Encrypt(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.Err != nil {
			f.failed("wrap under", targets[i].version, r.Err)
			continue
		}
		*targets[i].wrapped = r.Data
	}
	for _, v := range made {
		if v.canary.wrapped != nil && (v.KEK == nil || v.Wrapped != nil) {
			wrapped = append(wrapped, v)
		}
	}
	return wrapped, nil
}

// confirmNew adds the versions that come back to f. An answer that is about more than
// its version is returned as the error; the other versions are added all the same.
func (p prober) confirmNew(ctx context.Context, f *findings, made []*Version) error {
	failed, err := p.unwrap(ctx, made, true)
	if err != nil {
		return err
	}
	for _, v := range made {
		id := v.Binding.KeyID
		if why := failed[id]; why != nil {
			if concernsKey(why) {
				err = why
			} else {
				f.failed("confirm", v, why)
			}
			continue
		}
		f.added = append(f.added, v)
		f.accepted = append(f.accepted, id)
	}
	return err
}

// failed notes that one version cannot be provisioned.
func (f *findings) failed(doing string, v *Version, err error) {
	f.provision = errors.Join(f.provision, fmt.Errorf("%s %s: %w", doing, v.Binding.KeyID, err))
}

// clear overwrites the local KEKs of findings that are not applied.
func (f findings) clear() {
	for _, v := range f.added {
		clear(v.raw)
	}
}
