package kmsplugin

import "context"

// Bounds of the requests that wait for a key store. Each key has its own, so that a
// key store that does not answer keeps no request from another; the keys that only
// decrypt share theirs in equal parts.
const (
	maxWaiting         = 1536
	maxWaitingPrevious = 1024
	// maxAsking bounds those of them that a key store is asked about at a time.
	maxAsking = 512
)

// turns are those of one key: a bounded number of requests asks its key store at
// a time, and a bounded number waits for that within its deadline.
type turns struct{ waiting, asking chan struct{} }

func newTurns(waiting int) turns {
	return turns{waiting: make(chan struct{}, waiting), asking: make(chan struct{}, maxAsking)}
}

// take returns when the request may ask, which then has to leave.
func (t turns) take(ctx context.Context) error {
	select {
	case t.waiting <- struct{}{}:
	default:
		return errBusy
	}
	select {
	case t.asking <- struct{}{}:
		if ctx.Err() == nil {
			return nil
		}
		<-t.asking
	case <-ctx.Done():
	}
	<-t.waiting
	return errBusy // its time went by in the queue, not in the key store
}

func (t turns) leave() {
	<-t.asking
	<-t.waiting
}
