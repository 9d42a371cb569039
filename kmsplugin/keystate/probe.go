package keystate

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Version is one version of the key as this replica can use it. It is immutable, but for
// raw: that is overwritten when the Version is dropped.
type Version struct {
	Number  int
	Binding envelope.Binding
	KEK     *envelope.LocalKEK // nil without local KEKs, and where canary is a decoy
	Wrapped []byte             // the local KEK as wrapped by the key store
	canary  canary
	// raw is the bytes of KEK: while the version is provisioned, and after that where
	// Settings.Retain asks for them. Once the Version is held, Monitor.raws guards them.
	raw []byte
}

// canary is a random value that the key store wrapped for this replica. Having it
// unwrapped again shows that the version still decrypts, and risks no data.
//
// A version that nothing may be wrapped under has a decoy: random bytes in the form of
// a ciphertext. That they do not authenticate is then the good answer: the key store
// gives it only for a version, and to a caller, that may decrypt. Every other failure
// may come from a key that decrypts nothing.
type canary struct{ plain, wrapped []byte }

func (c canary) isDecoy() bool { return c.plain == nil }

// opens says what the key store's answer to the canary means: nil if the version
// decrypts.
func (c canary) opens(answer backend.Result) error {
	switch {
	case c.isDecoy() && errors.Is(answer.Err, backend.ErrAuthentication):
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
	settings Settings
	backend  backend.Backend
	boot     func() time.Duration
}

// findings is what one probe found.
type findings struct {
	outcome
	key   backend.Key // valid if outcome.err is nil
	added []*Version
	// partial is set when versions were left for the next probe.
	partial bool
	// unconfirmed says of versions that are held, by key_id, why their canary shows
	// neither that they decrypt nor that they are refused.
	unconfirmed map[string]error
	// provision is why listed versions could not be provisioned, although the key
	// answered.
	provision error
}

// probe reads the key and has all canaries unwrapped: two requests, however many
// versions are held. New versions take an HMAC each, and every few of them a request
// that wraps and one that unwraps. If first is given, only the version that it chooses
// is provisioned: a plugin that starts must not wait for all of them.
func (p prober) probe(ctx context.Context, held map[string]*Version, first func(backend.Key) int) findings {
	f := findings{outcome: outcome{at: p.boot()}}
	f.key, f.err = p.backend.ReadKey(ctx)
	if f.err != nil {
		return f
	}
	// First, even if the rest fails: a version that cannot be provisioned must not let
	// the lease of the versions that serve run out.
	if f.err = p.confirm(ctx, &f, held); f.err != nil {
		return f
	}
	only := 0
	if first != nil {
		only = first(f.key)
	}
	writable, decryptOnly := p.missing(&f, held, only)
	err := p.provision(ctx, &f, writable, decryptOnly)
	switch {
	case err == nil:
	case ctx.Err() != nil && len(f.added) > 0:
		f.partial = true // the time is up; what was done stays done
	case len(held)+len(f.added) == 0 && !errors.Is(err, errCannotWrap):
		f.err = err // nothing has shown that the key serves
	default:
		f.provision = errors.Join(f.provision, err)
	}
	return f
}

// errAnotherKey is why the answer to a decoy canary shows nothing.
var errAnotherKey = errors.New("this version number belongs to another key now: the key was deleted and created again, or Vault was restored")

// confirm has the canaries of what is held unwrapped, and sorts the versions into
// accepted, refused and unconfirmed. An answer that is not about a version ends
// the probe with that error.
func (p prober) confirm(ctx context.Context, f *findings, held map[string]*Version) error {
	failed, err := p.unwrap(ctx, slices.Collect(maps.Values(held)), false)
	if err != nil {
		return err
	}
	for _, err := range failed {
		if concernsKey(err) && backend.ClassOf(err) != backend.Outage {
			return err
		}
	}
	f.unconfirmed = map[string]error{}
	for id, v := range held {
		switch err := failed[id]; {
		case backend.ClassOf(err) == backend.VersionRefusal:
			f.refused = append(f.refused, id)
		case err != nil:
			f.unconfirmed[id] = err
		case v.canary.isDecoy() && versionID(f.key, v.Number) != id:
			// The key that has this version number now gives the good answer to
			// random bytes. That says nothing about the key that was deleted, or
			// that is gone since Vault was restored. The lease decides.
			f.unconfirmed[id] = errAnotherKey
		default:
			f.accepted = append(f.accepted, id)
		}
	}
	for _, err := range f.unconfirmed {
		// One version that is never answered must not end the lease of the others.
		if concernsKey(err) && len(f.accepted) == 0 {
			f.refused, f.unconfirmed = nil, nil
			return err
		}
	}
	return nil
}

// unwrap has the canary of every version, and the local KEK of new ones, unwrapped, and
// compares them: nothing may be wrapped with a key that does not come back. It returns
// which versions failed, by key_id.
func (p prober) unwrap(ctx context.Context, versions []*Version, areNew bool) (failed map[string]error, err error) {
	if len(versions) == 0 {
		return nil, nil
	}
	var items []backend.DecryptItem
	var asked []check
	ask := func(id string, wrapped, aad []byte, opens func(backend.Result) error) {
		items = append(items, backend.DecryptItem{Ciphertext: wrapped, AssociatedData: aad})
		asked = append(asked, check{id, opens})
	}
	for _, v := range versions {
		ask(v.Binding.KeyID, v.canary.wrapped, v.Binding.CanaryData(), v.canary.opens)
		if areNew && v.KEK != nil {
			ask(v.Binding.KeyID, v.Wrapped, v.Binding.WrapData(), canary{plain: v.raw}.opens)
		}
	}
	results, err := p.backend.Decrypt(ctx, items)
	if err != nil {
		return nil, fmt.Errorf("unwrap canaries: %w", err)
	}
	failed = map[string]error{}
	for i, r := range results {
		if err := asked[i].opens(r); err != nil {
			failed[asked[i].id] = fmt.Errorf("unwrap canaries: %w", err)
		}
		clear(r.Data)
	}
	return failed, nil
}

// check is one question about the version id.
type check struct {
	id    string
	opens func(backend.Result) error
}

// concernsKey tells an answer about the key, or about none, from one about a
// single version.
func concernsKey(err error) bool {
	if _, ok := errors.AsType[*backend.Error](err); !ok {
		return false
	}
	switch backend.ClassOf(err) {
	case backend.Outage, backend.Credentials, backend.Refusal, backend.Unsuitable:
		return true
	default:
		return false
	}
}
