package checkpoint

import (
	"context"
	"log/slog"
	"time"
)

// Store is where a saved state survives this process: without one, a plugin that is
// restarted in an outage has nothing to serve with.
type Store interface {
	// Load returns what Save was last given, or nil. The caller clears it.
	Load() ([]byte, error)
	// Save replaces the saved state. It does not keep a reference to state, and it
	// gives up within seconds: a process that ends waits for it.
	Save(state []byte) error
}

const (
	// saveGap is how long changes are gathered after a save: each save is the whole
	// state, and an API server that starts has one seed after another unwrapped.
	saveGap = time.Second
	// saveRetry is how soon a save that failed is tried again. Until one succeeds,
	// what was dropped may still be in the store.
	saveRetry = 10 * time.Second
)

// Subject is what a Saver saves. All of its functions are safe for concurrent use.
type Subject struct {
	// Settled reports whether the present state is to replace what was saved.
	Settled func() bool
	// Shape changes whenever what is held changes. A new lease alone does not change
	// it; that is saved every Interval.
	Shape    func() string
	Interval time.Duration
	State    func() *State // its secrets are copies
	Boot     func() time.Duration
}

// Saver saves the state of its Subject whenever it has changed.
type Saver struct {
	store Store
	log   *slog.Logger
	dirty chan struct{}

	// Owned by Run.
	shape string
	saved time.Duration // when, on the boot clock
	fault string        // of the last save; empty if it succeeded
}

// NewSaver returns a Saver that has saved nothing yet.
func NewSaver(store Store, log *slog.Logger) *Saver {
	return &Saver{store: store, log: log, dirty: make(chan struct{}, 1)}
}

// Changed says that there may be something new to save.
func (s *Saver) Changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// Run saves until the context ends, and then once more: a restart in an outage
// begins with the last state of the process before. It must return before the keys
// are dropped, or the last save would have none.
func (s *Saver) Run(ctx context.Context, subject Subject) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-s.dirty:
		}
		if !s.due(subject) {
			continue
		}
		pause := saveGap
		if !s.save(subject) {
			pause = saveRetry
			s.Changed()
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if subject.Settled() {
		s.save(subject)
	}
}

// due reports whether the present state is worth a save.
func (s *Saver) due(subject Subject) bool {
	return subject.Settled() && (subject.Shape() != s.shape || subject.Boot()-s.saved >= subject.Interval)
}

// save saves the present state, and reports whether that succeeded.
func (s *Saver) save(subject Subject) bool {
	shape, now := subject.Shape(), subject.Boot()
	state := subject.State()
	defer state.Clear()
	text, err := state.Encode()
	if err == nil {
		err = s.store.Save(text)
	}
	clear(text)
	if err != nil {
		if s.fault != err.Error() {
			s.fault = err.Error()
			s.log.Error("what survives a restart is out of date: local keys that are new are missing there, those that were dropped may still be there; this is tried again",
				"cause", err.Error())
		}
		return false
	}
	if s.fault != "" {
		s.log.Info("what survives a restart is up to date again")
	}
	s.shape, s.saved, s.fault = shape, now, ""
	return true
}
