package kmsplugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// maxRehearsal bounds how long a plugin can be cut off on purpose.
const maxRehearsal = time.Hour

// maxReasons bounds how many different failures a rehearsal remembers by method.
const maxReasons = 8

// rehearsal cuts a plugin off from its key stores on purpose. Every request to a key
// store asks it first, so that it ends at its time even if nothing calls end.
type rehearsal struct {
	boot func() time.Duration

	mu     sync.Mutex
	until  time.Duration // on the boot clock; 0 if there is none
	ended  chan struct{} // closed when it is over early
	counts map[string]*tally
}

// tally counts requests of the API server during a rehearsal.
type tally struct {
	served, failed int64
	reasons        []string
}

var (
	errRehearsing    = errors.New("a rehearsal is under way already")
	errRehearsalTime = fmt.Errorf("a rehearsal takes more than 0 and at most %v", maxRehearsal)
)

// begin starts a rehearsal, which stop ends; over is closed when it has been
// ended, by stop or by end. It fails with errRehearsing or errRehearsalTime.
func (r *rehearsal) begin(d time.Duration) (over <-chan struct{}, stop func(), err error) {
	if d <= 0 || d > maxRehearsal {
		return nil, nil, errRehearsalTime
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.boot() < r.until {
		return nil, nil, errRehearsing
	}
	r.until = r.boot() + d
	ended := make(chan struct{})
	r.ended = ended
	r.counts = map[string]*tally{}
	return ended, func() { r.end(ended) }, nil
}

// end ends the rehearsal that which was made for, if it is still under way; nil stands
// for any.
func (r *rehearsal) end(which chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil && (which == nil || which == r.ended) {
		close(r.ended)
		r.ended, r.until = nil, 0
	}
}

// left returns how long it will go on; 0 if there is none.
func (r *rehearsal) left() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.until-r.boot(), 0)
}

// note counts a request of the API server; reason is empty if it was served.
func (r *rehearsal) note(method, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.boot() >= r.until {
		return
	}
	t := r.counts[method]
	if t == nil {
		t = &tally{}
		r.counts[method] = t
	}
	if reason == "" {
		t.served++
		return
	}
	t.failed++
	if !slices.Contains(t.reasons, reason) && len(t.reasons) < maxReasons {
		t.reasons = append(t.reasons, reason)
	}
}

// tallies returns a copy of the counts, by method.
func (r *rehearsal) tallies() map[string]tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]tally, len(r.counts))
	for method, t := range r.counts {
		all[method] = tally{t.served, t.failed, slices.Clone(t.reasons)}
	}
	return all
}

// rehearsalBackend is a key store that does not answer during a rehearsal.
type rehearsalBackend struct {
	backend.Backend
	rehearsal *rehearsal
}

func (b rehearsalBackend) closed(op string) error {
	if left := b.rehearsal.left(); left > 0 {
		return &backend.Error{Class: backend.Outage, Op: op,
			Reason: fmt.Sprintf("cut off from Vault on purpose, a rehearsal goes on for %v", left.Round(time.Second)), Err: keystate.ErrRehearsal}
	}
	return nil
}

func (b rehearsalBackend) ReadKey(ctx context.Context) (backend.Key, error) {
	if err := b.closed("read the key"); err != nil {
		return backend.Key{}, err
	}
	return b.Backend.ReadKey(ctx)
}

func (b rehearsalBackend) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
	if err := b.closed("derive"); err != nil {
		return nil, err
	}
	return b.Backend.HMAC(ctx, items)
}

func (b rehearsalBackend) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	if err := b.closed("encrypt"); err != nil {
		return nil, err
	}
	return b.Backend.Encrypt(ctx, items)
}

func (b rehearsalBackend) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	if err := b.closed("decrypt"); err != nil {
		return nil, err
	}
	return b.Backend.Decrypt(ctx, items)
}
