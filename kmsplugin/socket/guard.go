package socket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State says who answers at the path of a socket.
type State string

// The states of a socket.
const (
	Own   State = "own"   // this process
	Other State = "other" // another process, which has taken the path over
	Lost  State = "lost"  // no process, or it cannot be told
)

// States returns every state.
func States() []State { return []State{Own, Other, Lost} }

// emptyTimeout bounds how long a new socket waits for the callers of the old one
// to be accepted.
const emptyTimeout = 2 * time.Second

// sighting is what was last seen at the path.
type sighting struct {
	state State
	cause string // why it is lost
}

// Guard has the path lead to this listener until the context ends, which it must
// before Drain or Close is called. It looks at the path whenever look delivers.
//
// A plugin that was replaced serves on, and its successor removes the path when it
// ends. If the successor was killed, or only tried, callers would find neither of them,
// and this one would not notice. So the path is then bound again. A process that serves
// there is left alone, and so is a file that is not a socket.
func (l *Listener) Guard(ctx context.Context, look <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
			l.look(ctx)
		}
	}
}

// endGuard returns when the path is not looked at any more.
func (l *Listener) endGuard() {
	l.guarding.Lock()
	defer l.guarding.Unlock()
	l.ended = true
}

func (l *Listener) look(ctx context.Context) {
	l.guarding.Lock()
	defer l.guarding.Unlock()
	if l.ended || ctx.Err() != nil {
		return
	}
	if file, err := identify(l.config.Path); err == nil && file == l.bound.Load().file {
		l.note(sighting{state: Own})
		return
	}
	err := l.bindAgain(ctx)
	if err != nil && ctx.Err() != nil {
		return // not found out
	}
	l.note(sightingOf(err))
}

// sightingOf says what it means that the path was, or was not, bound again.
func sightingOf(err error) sighting {
	switch {
	case err == nil:
		return sighting{state: Own}
	case errors.Is(err, errServed):
		return sighting{state: Other}
	default:
		return sighting{state: Lost, cause: err.Error()}
	}
}

// bindAgain puts a new socket at the path, if no process serves there.
func (l *Listener) bindAgain(ctx context.Context) error {
	c := l.config
	c.Takeover = false // or two plugins would take the path from each other for ever
	if l.inherited {
		if err := c.checkPath(ctx); err != nil {
			return err
		}
		return fmt.Errorf("%s is not the socket that the service manager has bound any more: restart the socket unit", c.Path)
	}
	next, err := c.bind(ctx)
	if err != nil {
		return err
	}
	l.log.Warn("socket bound again: it was removed, or the process that had taken its path over is gone", "socket", c.Path)
	// Callers that found the old one just before it lost its path are still in its queue.
	old := l.bound.Load()
	limit, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	if err := old.empty(limit); err != nil {
		l.log.Warn("a caller may have been cut off", "cause", err.Error())
	}
	l.bound.Store(next)
	_ = old.Close() // wakes Accept, which goes on with the next
	return nil
}

// note passes on what was seen, if it is news.
func (l *Listener) note(s sighting) {
	if s == l.seen {
		return
	}
	l.seen = s
	l.state(s.state)
	switch s.state {
	case Own:
	case Other:
		l.log.Warn("another process has taken the socket over: this one serves the connections that it still has, and binds the socket again once no other process serves it", "socket", l.config.Path)
	case Lost:
		l.log.Error("callers do not find this plugin any more", "socket", l.config.Path, "cause", s.cause)
	}
}
