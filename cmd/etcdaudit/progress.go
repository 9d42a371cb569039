package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

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
