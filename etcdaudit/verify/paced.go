package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Pace says how an Unwrapper is asked. The numbers are at least 1.
type Pace struct {
	// PerSecond bounds the requests: API servers depend on who is asked.
	PerSecond int
	// GiveUp is after how many requests in a row without an answer nothing is asked
	// any more. Each of these can have taken the whole of its time.
	GiveUp int
	// Timeout is how long one request may take; 0 for no limit.
	Timeout time.Duration
}

// DefaultPace is far below what a plugin or Vault answers, and asks for the sources
// of a usual cluster in a second.
func DefaultPace() Pace { return Pace{PerSecond: 50, GiveUp: 3} }

// Paced asks an Unwrapper, which a report calls by a name, at a pace, and logs every request:
// which source, by the beginning of its SHA-256, and what became of it.
func Paced(name string, u Unwrapper, p Pace, log *slog.Logger) *Pacer {
	p.PerSecond, p.GiveUp = max(p.PerSecond, 1), max(p.GiveUp, 1)
	return &Pacer{name: name, unwrapper: u, pace: p, log: log, keyIDs: map[string]bool{}}
}

// Pacer is what Paced makes. It is safe for concurrent use.
type Pacer struct {
	name      string
	unwrapper Unwrapper
	pace      Pace
	log       *slog.Logger

	mu       sync.Mutex
	next     time.Time // when the next request may be made
	silent   int       // requests in a row without an answer
	lastText string
	asked    Asked
	keyIDs   map[string]bool // of sources that it has opened
}

// Asked is what came of the requests to one Unwrapper.
type Asked struct {
	Name string
	// Requests that were made, those of them that opened a source, and those that had no answer.
	Requests, Opened, Unanswered int
	// KeyIDs are those of the sources that were opened, in their order.
	KeyIDs []string
}

// maxKeyIDs bounds the key_ids that a Pacer remembers.
const maxKeyIDs = 10_000

// Asked returns what came of the requests so far.
func (p *Pacer) Asked() Asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.asked
	a.Name, a.KeyIDs = p.name, slices.Sorted(maps.Keys(p.keyIDs))
	return a
}

// Unwrap implements Unwrapper.
func (p *Pacer) Unwrap(ctx context.Context, s Source) ([]byte, error) {
	start, err := p.turn()
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("unwrap a DEK source: %w", context.Cause(ctx))
	case <-time.After(time.Until(start)):
	}
	asked := time.Now()
	secret, err := p.ask(ctx, s)
	p.note(ctx, s, err)
	sum := sha256.Sum256(s.DEKSource)
	attrs := []slog.Attr{
		slog.String("source", fmt.Sprintf("sha256:%x", sum[:8])), slog.String("key_id", s.KeyID), slog.Duration("took", time.Since(asked)),
	}
	if err != nil {
		p.log.LogAttrs(ctx, slog.LevelWarn, "DEK source not unwrapped", append(attrs, slog.String("cause", err.Error()))...)
		return nil, err
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "DEK source unwrapped", attrs...)
	return secret, nil
}

func (p *Pacer) ask(ctx context.Context, s Source) ([]byte, error) {
	if p.pace.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.pace.Timeout)
		defer cancel()
	}
	return p.unwrapper.Unwrap(ctx, s)
}

// turn returns when a request may be made.
func (p *Pacer) turn() (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent >= p.pace.GiveUp {
		return time.Time{}, fmt.Errorf("not asked, because %d requests in a row had no answer: %s", p.silent, p.lastText)
	}
	start := time.Now()
	if start.Before(p.next) {
		start = p.next
	}
	p.next = start.Add(time.Second / time.Duration(p.pace.PerSecond))
	return start, nil
}

// note counts answers: a failure that says why is one.
func (p *Pacer) note(ctx context.Context, s Source, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, saysWhy := errors.AsType[*UnwrapError](err)
	answered := err == nil || saysWhy
	p.asked.Requests++
	switch {
	case err == nil:
		p.asked.Opened++
		if len(p.keyIDs) < maxKeyIDs {
			p.keyIDs[s.KeyID] = true
		}
	case !answered:
		p.asked.Unanswered++
	}
	switch {
	case answered:
		p.silent = 0
	case ctx.Err() == nil && p.silent < p.pace.GiveUp:
		p.silent++
		p.lastText = err.Error()
	}
}
