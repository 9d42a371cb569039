package main

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/internal/term"
)

// progress shows how far the reading is. It shows nothing unless it writes to a
// terminal, so a CronJob's log stays free of it.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(w io.Writer, keys int64) progress {
	if !term.IsTerminal(w) || keys == 0 {
		return progress{}
	}
	return progress{progressbar.NewOptions64(keys,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("reading keys"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// A bar that cannot be drawn must not end an audit: its errors are dropped.

func (p progress) add(keys int) {
	if p.bar != nil {
		_ = p.bar.Add(keys)
	}
}

func (p progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// reading shows how much of files is read, on a terminal only.
type reading struct{ bar *progressbar.ProgressBar }

func newReading(w io.Writer) reading {
	if !term.IsTerminal(w) {
		return reading{}
	}
	return reading{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("reading files"),
		progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// of says how much there is.
func (r reading) of(bytes int64) {
	if r.bar != nil {
		r.bar.ChangeMax64(bytes)
	}
}

func (r reading) add(bytes int) {
	if r.bar != nil {
		_ = r.bar.Add(bytes)
	}
}

func (r reading) end() {
	if r.bar != nil {
		_ = r.bar.Clear()
	}
}

// probing shows which address is tested, on a terminal only.
type probing struct {
	bar *progressbar.ProgressBar
	mu  *sync.Mutex
}

func newProbing(w io.Writer) probing {
	if !term.IsTerminal(w) {
		return probing{}
	}
	return probing{mu: &sync.Mutex{}, bar: progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("testing addresses of etcd"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p probing) add(t tlsprobe.Target, _ facts.Exchange) {
	if p.bar != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bar.Describe("testing " + term.Printable(t.URL))
		_ = p.bar.Add(1)
	}
}

func (p probing) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
