package vaultbackend

import "sync"

// gate lets requests in until it is shut, and tells when the last one has left.
type gate struct {
	mu     sync.Mutex
	inside int
	empty  chan struct{} // nil until it is shut
}

// enter reports whether a request may be made; if so, leave ends it.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty != nil {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
	}
}

// shut lets nobody in any more. What it returns is closed once nobody is inside.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty == nil {
		g.empty = make(chan struct{})
		if g.inside == 0 {
			close(g.empty)
		}
	}
	return g.empty
}
