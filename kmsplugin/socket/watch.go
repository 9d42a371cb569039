package socket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State says which process answers at the path of a socket.
type State string

// The states of a socket.
const (
	Own   State = "own"   // this process
	Other State = "other" // another process, which has taken the path over
	Lost  State = "lost"  // no process, or unknown
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

// Watch binds the path again when it no longer leads to this listener. It checks
// whenever look delivers, until the context ends. Drain and Close must be called
// after that.
//
// A replaced plugin still runs, and its successor removes the path when it ends.
// When an upgrade is undone or the successor is killed, callers would find no
// plugin at all although this one runs. A path that another process serves, or
// that is not a socket, is never replaced.
func (l *Listener) Watch(ctx context.Context, look <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
			l.look(ctx)
		}
	}
}

// stopWatching returns once the path is not checked any more.
func (l *Listener) stopWatching() {
	l.watching.Lock()
	defer l.watching.Unlock()
	l.ended = true
}

func (l *Listener) look(ctx context.Context) {
	l.watching.Lock()
	defer l.watching.Unlock()
	if l.ended || ctx.Err() != nil {
		return
	}
	if file, err := identify(l.config.Path); err == nil && file == l.bound.Load().file {
		l.note(sighting{state: Own})
		return
	}
	err := l.bindAgain(ctx)
	if err != nil && ctx.Err() != nil {
		return // unknown: the check was interrupted
	}
	l.note(sightingOf(err))
}

// sightingOf turns the result of bindAgain into a state.
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
	c.Takeover = false // otherwise two plugins would take the path from each other for ever
	if l.inherited {
		if err := c.checkPath(ctx); err != nil {
			return err
		}
		return fmt.Errorf("%s is no longer the socket of the service manager: restart the socket unit", c.Path)
	}
	next, err := c.bind(ctx)
	if err != nil {
		return err
	}
	l.log.Warn("socket bound again: its path was removed, or the process that had taken it over has ended", "socket", c.Path)
	// Callers that connected just before the path was lost are still in the old queue.
	old := l.bound.Load()
	limit, cancel := context.WithTimeout(ctx, emptyTimeout)
	defer cancel()
	if err := old.empty(limit); err != nil {
		l.log.Warn("some callers of the old socket may have been disconnected", "cause", err.Error())
	}
	l.bound.Store(next)
	_ = old.Close() // wakes Accept, which continues with the new one
	return nil
}

// note reports a change of the state or its cause.
func (l *Listener) note(s sighting) {
	if s == l.seen {
		return
	}
	l.seen = s
	l.state(s.state)
	switch s.state {
	case Own:
	case Other:
		l.log.Warn("another process has taken the socket over: this one serves its open connections, and binds the path again when the other process has ended", "socket", l.config.Path)
	case Lost:
		l.log.Error("callers cannot connect to this plugin any more: its socket path is lost", "socket", l.config.Path, "cause", s.cause)
	}
}
