package kmsplugin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// warningGap is how often the same warning is written at most. An API server asks
// again and again for what cannot be opened, thousands of times a minute.
const warningGap = 20 * time.Second

// warning says what kind of failure a line tells of. There are few: methods,
// codes and classes are all of ours.
type warning struct {
	method string
	code   codes.Code
	class  string
}

// warnings writes lines about failures. The first of a kind is written at once;
// of those that follow, the last of each warningGap, with the number of those
// before it that were left out.
type warnings struct {
	log *slog.Logger

	mu     sync.Mutex
	recent map[warning]*recent
}

// recent is what came since the last line of a kind was written.
type recent struct {
	count int
	last  entry     // of those counted
	at    time.Time // when that one came
	timer *time.Timer
}

// entry is one line of the log.
type entry struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

func newWarnings(log *slog.Logger) *warnings {
	return &warnings{log: log, recent: map[warning]*recent{}}
}

// write writes e now, or later for all of its kind.
func (w *warnings) write(kind warning, e entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.recent[kind]; r != nil {
		r.count++
		r.last, r.at = e, time.Now()
		return
	}
	r := &recent{}
	r.timer = time.AfterFunc(warningGap, func() { w.next(kind, r) })
	w.recent[kind] = r
	w.emit(e)
}

// next writes what has come of a kind since its last line. If nothing has, the
// next one is a first one again.
func (w *warnings) next(kind warning, r *recent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.recent[kind] != r {
		return // flushed meanwhile
	}
	if r.count == 0 {
		delete(w.recent, kind)
		return
	}
	w.emitLate(r)
	*r = recent{timer: r.timer}
	r.timer.Reset(warningGap)
}

// flush writes everything that was left out until now.
func (w *warnings) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.recent {
		r.timer.Stop()
		if r.count > 0 {
			w.emitLate(r)
		}
	}
	clear(w.recent)
}

// emitLate writes the last line that was held back, with the number of the others. The
// attribute "at" is when it came: the time of the line is when it is written.
func (w *warnings) emitLate(r *recent) {
	e := r.last
	e.attrs = append(e.attrs, slog.Time("at", r.at))
	if r.count > 1 {
		e.attrs = append(e.attrs, slog.Int("left_out", r.count-1))
	}
	w.emit(e)
}

func (w *warnings) emit(e entry) {
	w.log.LogAttrs(context.Background(), e.level, e.message, e.attrs...) //nolint:sloglint // a constant of the caller
}
