package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait for others, so that they are written
	// together: an API server that waits for Encrypt does not wait for the log as
	// well. What may be lost is what a process that is killed said in its last
	// moments.
	logDelay = 5 * time.Millisecond
	// logQueue is how many lines may wait.
	logQueue = 1000
)

// lineQueue holds log records for a short time, and writes them in order.
type lineQueue struct {
	mu      sync.Mutex
	w       io.Writer
	waiting []line
	flusher *time.Timer  // set while something waits
	text    bytes.Buffer // what the handlers make of the lines
}

// line is a record, and the handler that knows its attributes and groups.
type line struct {
	handler slog.Handler
	record  slog.Record
}

// newLogHandler returns a handler that puts records in a queue, and the queue.
// makeHandler makes the handler that turns them into text.
func newLogHandler(w io.Writer, makeHandler func(io.Writer) slog.Handler) (slog.Handler, *lineQueue) {
	q := &lineQueue{w: w}
	return queued{makeHandler(&q.text), q}, q
}

// add puts a line in the queue; one that is urgent is written at once, with all
// before it.
func (q *lineQueue) add(l line, urgent bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, l)
	if urgent || len(q.waiting) >= logQueue {
		return q.flush()
	}
	if q.flusher == nil {
		q.flusher = time.AfterFunc(logDelay, func() { _ = q.Flush() }) // nobody to tell
	}
	return nil
}

// Flush writes what waits.
func (q *lineQueue) Flush() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.flush()
}

func (q *lineQueue) flush() error {
	if q.flusher != nil {
		q.flusher.Stop()
		q.flusher = nil
	}
	var errs []error
	for _, l := range q.waiting {
		errs = append(errs, l.handler.Handle(context.Background(), l.record))
	}
	clear(q.waiting)
	q.waiting = q.waiting[:0]
	if q.text.Len() > 0 {
		_, err := q.w.Write(q.text.Bytes())
		errs = append(errs, err)
		q.text.Reset()
	}
	return errors.Join(errs...)
}

// queued puts records in a queue. A warning or worse is written at once: that is
// what one looks for after a crash.
type queued struct {
	slog.Handler
	queue *lineQueue
}

// Handle implements slog.Handler.
func (h queued) Handle(_ context.Context, r slog.Record) error {
	return h.queue.add(line{h.Handler, r.Clone()}, r.Level >= slog.LevelWarn)
}

// WithAttrs implements slog.Handler.
func (h queued) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queued{h.Handler.WithAttrs(attrs), h.queue}
}

// WithGroup implements slog.Handler.
func (h queued) WithGroup(name string) slog.Handler {
	return queued{h.Handler.WithGroup(name), h.queue}
}
