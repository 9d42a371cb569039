package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Pace says how an Unwrapper is asked. Both numbers are at least 1.
type Pace struct {
	// PerSecond bounds the requests: API servers depend on who is asked.
	PerSecond int
	// GiveUp is after how many requests in a row without an answer nothing is asked
	// any more. Each of these can have taken the whole of its time.
	GiveUp int
}

// DefaultPace is far below what a plugin or Vault answers, and asks for the sources
// of a usual cluster in a second.
func DefaultPace() Pace { return Pace{PerSecond: 50, GiveUp: 3} }

// Paced asks an Unwrapper at a pace, and logs every request: which source, by the
// beginning of its SHA-256, and what became of it.
func Paced(u Unwrapper, p Pace, log *slog.Logger) Unwrapper {
	p.PerSecond, p.GiveUp = max(p.PerSecond, 1), max(p.GiveUp, 1)
	return &paced{unwrapper: u, pace: p, log: log}
}

type paced struct {
	unwrapper Unwrapper
	pace      Pace
	log       *slog.Logger

	mu       sync.Mutex
	next     time.Time // when the next request may be made
	silent   int       // requests in a row without an answer
	lastText string
}

func (p *paced) Unwrap(ctx context.Context, s Source) ([]byte, error) {
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
	secret, err := p.unwrapper.Unwrap(ctx, s)
	p.note(ctx, err)
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

// turn returns when a request may be made.
func (p *paced) turn() (time.Time, error) {
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
func (p *paced) note(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	failure, answered := errors.AsType[*UnwrapError](err)
	switch {
	case err == nil, answered && failure.Outcome != NotEvaluated:
		p.silent = 0
	case ctx.Err() == nil && p.silent < p.pace.GiveUp:
		p.silent++
		p.lastText = err.Error()
	}
}
