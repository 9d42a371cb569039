package kmsplugin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// version is one version of the key as this replica can use it. It is immutable.
type version struct {
	number  int
	binding envelope.Binding
	kek     *envelope.LocalKEK // nil with envelope: vault, and where canary is blank
	wrapped []byte             // the local KEK as wrapped by the key store
	canary  canary
}

// canary is a random value that the key store sealed for us. Having it opened
// again shows that the version still decrypts, at the risk of nothing.
//
// For a version that nothing may be sealed under it is blank: random bytes in the
// form of a ciphertext. That they do not authenticate is then the good answer:
// the key store gives it only for a version, and to a caller, that may decrypt.
// Any other failure may come of a key that decrypts nothing.
type canary struct{ plain, sealed []byte }

func (c canary) blank() bool { return c.plain == nil }

// opens says what the key store's answer to the canary means: nil if the version
// decrypts.
func (c canary) opens(answer backend.Result) error {
	switch {
	case c.blank() && errors.Is(answer.Err, backend.ErrAuthentication):
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
	// unconfirmed says of versions that are held, by key_id, why their canary shows
	// neither that they decrypt nor that they are refused.
	unconfirmed map[string]error
	// prepareErr is why versions that are listed could not be made ready,
	// although the key answered.
	prepareErr error
}

// probe asks for the key and has all canaries opened: two requests, however many
// versions are held. For versions not seen before it takes an HMAC each, and for
// every few of them a request that wraps and one that opens. If first is given,
// only the version that it chooses is made ready: whoever starts must not wait
// for all of them.
func (p prober) probe(ctx context.Context, held map[string]*version, first func(backend.Key) int) findings {
	f := findings{outcome: outcome{at: p.boot()}}
	f.key, f.err = p.backend.ReadKey(ctx)
	if f.err != nil {
		return f
	}
	f.clock = f.key.Clock
	// Before anything else, and whatever comes of that: a version that cannot be
	// made ready must not let the lease of those that serve run out.
	if f.err = p.confirm(ctx, &f, held); f.err != nil {
		return f
	}
	only := 0
	if first != nil {
		only = first(f.key)
	}
	todo, blanks := p.missing(&f, held, only)
	err := p.makeReady(ctx, &f, todo, blanks)
	switch {
	case err == nil:
	case ctx.Err() != nil && len(f.added) > 0:
		f.partial = true // the time is up; what was done stays done
	case len(held)+len(f.added) == 0 && !errors.Is(err, errNoSealing):
		f.err = err // nothing has shown that the key serves
	default:
		f.prepareErr = errors.Join(f.prepareErr, err)
	}
	return f
}

// errAnotherKey is why a canary that anybody could have made shows nothing.
var errAnotherKey = errors.New("this version number belongs to another key now: the key was deleted and made anew, or Vault was restored")

// confirm has the canaries of what is held opened, and sorts the versions into
// accepted, refused and unconfirmed. An answer that is not about a version ends
// the probe with that error.
func (p prober) confirm(ctx context.Context, f *findings, held map[string]*version) error {
	var all []*candidate
	for _, v := range held {
		all = append(all, &candidate{version: v})
	}
	failed, err := p.open(ctx, all)
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
		case v.canary.blank() && versionID(f.key, v.number) != id:
			// Whichever key has this version number now gives the good answer to
			// random bytes: it says nothing about the one that was deleted, or
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

// candidate is a version that is asked about.
type candidate struct {
	*version
	// key is the derived local KEK while it is not yet known to come back; nil
	// with envelope: vault.
	key []byte
}

// open has every canary opened, and every new local KEK unwrapped and compared:
// nothing may be sealed with a key that does not come back. It returns which
// did not, by key_id.
func (p prober) open(ctx context.Context, all []*candidate) (failed map[string]error, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	var items []backend.DecryptItem
	var asked []check
	ask := func(id string, sealed, aad []byte, opens func(backend.Result) error) {
		items = append(items, backend.DecryptItem{Ciphertext: sealed, AssociatedData: aad})
		asked = append(asked, check{id, opens})
	}
	for _, c := range all {
		ask(c.binding.KeyID, c.canary.sealed, c.binding.CanaryData(), c.canary.opens)
		if c.key != nil {
			ask(c.binding.KeyID, c.wrapped, c.binding.WrapData(), canary{plain: c.key}.opens)
		}
	}
	results, err := p.backend.Decrypt(ctx, items)
	if err != nil {
		return nil, fmt.Errorf("open canaries: %w", err)
	}
	failed = map[string]error{}
	for i, r := range results {
		if err := asked[i].opens(r); err != nil {
			failed[asked[i].id] = fmt.Errorf("open canaries: %w", err)
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
