package components

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// heartbeat is how often a running step is reported when the output is no
// terminal: often enough that nobody takes a long compilation for a hang.
const heartbeat = time.Minute

// progress writes one line per step: on a terminal a line that counts the
// seconds, elsewhere lines that stand on their own.
type progress struct {
	out      io.Writer
	terminal bool
	total    int
	number   int           // of the current step, from 1
	rest     time.Duration // known cost of the steps after the current one
	estimate estimator
}

func newProgress(out io.Writer, steps []step) *progress {
	p := &progress{out: out, total: len(steps)}
	if f, ok := out.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	for _, s := range steps {
		p.rest += planned(s)
	}
	return p
}

// planned is the known cost of what a step still has to do.
func planned(s step) time.Duration {
	if s.present {
		return 0
	}
	return s.cost.duration()
}

// next moves on to a step.
func (p *progress) next(s step) {
	p.number++
	p.rest -= planned(s)
}

// present reports a step with nothing to do.
func (p *progress) present(s step) { p.line(s, "present") }

// waiting reports that another process is building.
func (p *progress) waiting(s step) {
	p.printf("  %s: waiting for another process that builds components\n", s.title())
}

// start reports a step that begins; the function it returns, that it ended.
func (p *progress) start(s step) (stop func(ok bool)) {
	known := s.cost.duration()
	began := time.Now()
	report := func() {
		elapsed := time.Since(began)
		p.running(s, fmt.Sprintf("compiling, %s so far, about %s left", short(elapsed), roughly(p.estimate.left(known, elapsed, p.rest))))
	}
	if p.terminal {
		report()
	} else {
		p.line(s, fmt.Sprintf("compiling, about %s, %s in all", roughly(p.estimate.scale(known)), roughly(p.estimate.left(known, 0, p.rest))))
	}

	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		interval := heartbeat
		if p.terminal {
			interval = time.Second
		}
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				report()
			case <-done:
				return
			}
		}
	})
	return func(ok bool) {
		close(done)
		ticking.Wait()
		elapsed := time.Since(began)
		if !ok {
			return
		}
		p.estimate.measured(known, elapsed)
		text := "built in " + short(elapsed)
		if p.rest > 0 {
			text += ", about " + roughly(p.estimate.scale(p.rest)) + " left"
		}
		p.line(s, text)
	}
}

// failed reports a step that ended without a binary.
func (p *progress) failed(s step) { p.line(s, "FAILED") }

// running rewrites the current line on a terminal, or adds one elsewhere.
func (p *progress) running(s step, text string) {
	if !p.terminal {
		p.line(s, text)
		return
	}
	p.printf("\r  [%d/%d] %s: %s\x1b[K", p.number, p.total, s.title(), text)
}

// line writes a line that stays.
func (p *progress) line(s step, text string) {
	start, end := "", ""
	if p.terminal {
		start, end = "\r", "\x1b[K"
	}
	p.printf("%s  [%d/%d] %s: %s%s\n", start, p.number, p.total, s.title(), text, end)
}

// printf writes to out. Progress that cannot be shown must not stop a build.
func (p *progress) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...)
}
