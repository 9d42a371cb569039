package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
)

// load is calls that are made all the time.
type load struct {
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu     sync.Mutex
	calls  int
	failed []error
}

// load makes calls, each in a loop of its own, until it is stopped.
func (p *plane) load(calls ...func(context.Context, int) error) *load {
	ctx, cancel := context.WithCancel(p.ctx)
	l := &load{cancel: cancel}
	for _, call := range calls {
		l.loops.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				err := call(p.ctx, i) // not ctx: what has begun is finished
				l.note(err)
				if err != nil {
					// A plugin that is away refuses at once: asked without a pause, it
					// would be kept from coming back.
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	return l
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if err != nil {
		l.failed = append(l.failed, err)
	}
}

func (l *load) made() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// stop ends the calls and returns the errors of those that failed.
func (l *load) stop() (failed []error) {
	l.cancel()
	l.loops.Wait()
	return l.failed
}

// allServed ends the calls once there were enough of them to show something. None
// may have failed.
func (p *plane) allServed(t *testing.T, l *load, enough int) {
	t.Helper()
	check(t, cluster.Until(p.ctx, func(context.Context) error { return atLeast(enough, l.made()) }))
	if failed := l.stop(); len(failed) > 0 {
		t.Errorf("%d of %d calls failed: %v", len(failed), l.made(), errors.Join(failed[:min(len(failed), 5)]...))
	}
}

// atLeast returns an error while more calls are needed. How many a busy machine makes
// in a given time is unknown, so the test waits for them.
func atLeast(enough, made int) error {
	if made < enough {
		return fmt.Errorf("%d calls were made, fewer than %d", made, enough)
	}
	return nil
}
