package client

import "sync"

// drainGroup admits requests until it is closed, and tells when the last of them
// has ended.
type drainGroup struct {
	mu     sync.Mutex
	closed bool
	active sync.WaitGroup
}

// enter reports whether a request may be made; if so, leave must follow.
func (g *drainGroup) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.active.Add(1)
	return true
}

func (g *drainGroup) leave() { g.active.Done() }

// close admits no further request. The channel is closed once none is active.
func (g *drainGroup) close() <-chan struct{} {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		g.active.Wait()
		close(drained)
	}()
	return drained
}
