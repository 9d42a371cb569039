package kmsplugin

import "context"

// Bounds of the requests that wait for a key store. Each key has its own, so that
// one that does not answer keeps no request from another; those that only decrypt
// share theirs out in equal parts.
const (
	maxWaiting         = 1536
	maxWaitingPrevious = 1024
	// maxAsking bounds those of them that a key store is asked about at a time.
	maxAsking = 512
)

// turns are those of one key: a bounded number of requests asks its key store at
// a time, and a bounded number waits for that within its deadline.
type turns struct{ waiting, asking slots }

func newTurns(waiting int) turns {
	return turns{waiting: make(slots, waiting), asking: make(slots, maxAsking)}
}

// take returns when the request may ask, which then has to leave.
func (t turns) take(ctx context.Context) error {
	if !t.waiting.take() {
		return errBusy
	}
	select {
	case t.asking <- struct{}{}:
		if ctx.Err() == nil {
			return nil
		}
		t.asking.leave()
	case <-ctx.Done():
	}
	t.waiting.leave()
	return errBusy // its time went by in the queue, not in the key store
}

func (t turns) leave() {
	t.asking.leave()
	t.waiting.leave()
}

// slots are places for requests.
type slots chan struct{}

// take returns false if there is no place; it never waits.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) leave() { <-s }
