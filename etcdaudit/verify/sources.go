package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Unwrapper opens DEK sources: a KMS plugin, or a key store. It is safe for
// concurrent use, and keeps nothing of what it is given.
type Unwrapper interface {
	// Unwrap returns the data key or seed inside a source, which belongs to the caller.
	// An error that is no *UnwrapError means that nothing is known of the source.
	Unwrap(ctx context.Context, s Source) ([]byte, error)
}

// UnwrapError is a DEK source that does not open, and why; NotEvaluated is for one that is not for
// this Unwrapper.
type UnwrapError struct {
	Outcome Outcome
	Err     error // what was said of it; no secret
}

func (f *UnwrapError) Error() string { return f.Outcome.String() + ": " + f.Err.Error() }

func (f *UnwrapError) Unwrap() error { return f.Err }

// Sources holds what was unwrapped in memory until Clear: each source once, also
// where it did not open. It is safe for concurrent use.
type Sources struct {
	unwrapper Unwrapper // nil if there is none

	mu      sync.Mutex
	changed *sync.Cond // an entry is done
	entries map[ID]*entry
	whys    map[string]string // each text once
}

// entry is what is known of one source. There can be very many: with its place in
// the table it takes less than 256 bytes. It does not change once it is done.
type entry struct {
	// body names the DEK source alone, without key_id and annotations.
	body    [16]byte
	done    bool
	outcome Outcome
	secret  []byte
	why     string
}

// NewSources returns an empty table. A nil Unwrapper opens nothing.
func NewSources(u Unwrapper) *Sources {
	s := &Sources{unwrapper: u, entries: map[ID]*entry{}, whys: map[string]string{}}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// of returns the entry of the source of a value, which is unwrapped if it is new. It
// waits for one that another caller unwraps, which ends at the latest with that
// caller's context.
func (s *Sources) of(ctx context.Context, id ID, v storedvalue.Value) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.entries[id]
	if known {
		for !e.done {
			s.changed.Wait()
		}
		return e
	}
	e = &entry{}
	sum := sha256.Sum256(v.DEKSource)
	copy(e.body[:], sum[:])
	s.entries[id] = e
	s.mu.Unlock()
	secret, outcome, why := unwrap(ctx, s.unwrapper, v)
	s.mu.Lock()
	e.secret, e.outcome, e.why, e.done = secret, outcome, s.once(why), true
	s.changed.Broadcast()
	return e
}

// unwrap asks for the secret inside the source of a value, and checks that it is one.
func unwrap(ctx context.Context, u Unwrapper, v storedvalue.Value) (secret []byte, _ Outcome, why string) {
	if u == nil {
		return nil, NotEvaluated, "nothing was given that opens KMS v2"
	}
	secret, err := u.Unwrap(ctx, sourceOf(v))
	if err != nil {
		if failure, ok := errors.AsType[*UnwrapError](err); ok {
			return nil, failure.Outcome, failure.Err.Error()
		}
		return nil, NotEvaluated, err.Error()
	}
	key, err := keyring.NewDataKey(v.DEKSourceType, secret)
	if err != nil {
		clear(secret)
		return nil, WrongKey, "what it opens to is no data key: " + err.Error()
	}
	key.Clear()
	return secret, Opened, ""
}

// maxWhys bounds the reasons that are kept; what a plugin says may differ for each
// source.
const maxWhys = 1000

// once returns a text that was kept before, if there is one: thousands of sources
// can fail for one reason.
func (s *Sources) once(text string) string {
	kept, ok := s.whys[text]
	switch {
	case ok:
		return kept
	case len(s.whys) == maxWhys:
		return "one more reason"
	default:
		s.whys[text] = text
		return text
	}
}

// Len is the number of distinct sources.
func (s *Sources) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// Changed returns the sources that did not open and whose DEK source did open with
// other annotations or another key_id: what stands beside it was changed. The
// outcome of their values is AnnotationsChanged. It is asked when all values were
// opened, because the values of a good source can come last.
func (s *Sources) Changed() []ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := map[[16]byte]bool{}
	for _, e := range s.entries {
		if e.outcome == Opened {
			opened[e.body] = true
		}
	}
	var changed []ID
	for id, e := range s.entries {
		if (e.outcome == WrongKey || e.outcome == Refused) && opened[e.body] {
			changed = append(changed, id)
		}
	}
	slices.SortFunc(changed, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	return changed
}

// Clear overwrites and forgets what was unwrapped. No Opener must be in use any more.
func (s *Sources) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		clear(e.secret)
	}
	clear(s.entries)
}
