package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait for others, so that many share one
	// write: an API server that waits for Encrypt does not wait for the log's
	// reader as well. What may be lost is what a process that is killed said in
	// its last moments.
	logDelay = 5 * time.Millisecond
	// logBuffer is how many bytes may wait.
	logBuffer = 64 << 10
)

// lineWriter gathers what is written to it for a short time.
type lineWriter struct {
	mu      sync.Mutex
	w       io.Writer
	waiting []byte
	flusher *time.Timer // set while something waits
}

func (l *lineWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, line...)
	switch {
	case len(l.waiting) > logBuffer:
		return len(line), l.flush()
	case l.flusher == nil:
		l.flusher = time.AfterFunc(logDelay, func() { _ = l.Flush() }) // nobody to tell
	}
	return len(line), nil
}

// Flush writes what waits.
func (l *lineWriter) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *lineWriter) flush() error {
	if l.flusher != nil {
		l.flusher.Stop()
		l.flusher = nil
	}
	if len(l.waiting) == 0 {
		return nil
	}
	_, err := l.w.Write(l.waiting)
	l.waiting = l.waiting[:0]
	return err
}

// promptly writes at once what is a warning or worse: that is what one looks for
// after a crash.
type promptly struct {
	slog.Handler
	lines *lineWriter
}

// Handle implements slog.Handler.
func (p promptly) Handle(ctx context.Context, r slog.Record) error {
	err := p.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		_ = p.lines.Flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (p promptly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptly{p.Handler.WithAttrs(attrs), p.lines}
}

// WithGroup implements slog.Handler.
func (p promptly) WithGroup(name string) slog.Handler {
	return promptly{p.Handler.WithGroup(name), p.lines}
}
