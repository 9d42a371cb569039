package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// stage is where the demo is told. What it prints is the same from run to run
// except for numbers, so that a transcript can be compared in shape.
type stage struct {
	out      io.Writer
	screen   io.Writer // for what does not stay
	terminal bool
}

// newStage returns a stage that also writes to printed what stays on the screen.
func newStage(out *os.File, printed io.Writer) *stage {
	return &stage{out: io.MultiWriter(out, printed), screen: out, terminal: term.IsTerminal(int(out.Fd()))}
}

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\n", args...)
}

// act begins an act.
func (s *stage) act(number int, title, about string) {
	s.say("\n%s", s.style("1", fmt.Sprintf("== %d %s: %s", number, title, about)))
}

// verdict ends one.
func (s *stage) verdict(title, format string, args ...any) {
	s.say("%s", s.style("1;32", fmt.Sprintf("-- %s: %s", title, fmt.Sprintf(format, args...))))
}

func (s *stage) style(code, text string) string {
	if !s.terminal {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// quote shows what a program printed.
func (s *stage) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		s.say("   | %s", strings.TrimRight(line, "\n"))
	}
}

// dump shows the first lines of a value as etcd holds it, and those around a
// passage if the value contains it.
func (s *stage) dump(value []byte, passage string) {
	const width, lines = 16, 6
	dump := strings.SplitAfter(hex.Dump(value), "\n")
	from := 0
	if at := bytes.Index(value, []byte(passage)); passage != "" && at >= 0 {
		from = max(at/width-1, 0)
	}
	s.quote(strings.Join(dump[min(from, len(dump)):min(from+lines, len(dump))], ""))
}

// wait says what is being waited for, with a spinner on a terminal.
func (s *stage) wait(what string, f func() error) error {
	if !s.terminal {
		s.say("   ... %s", what)
		return f()
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetDescription("   "+what),
		progressbar.OptionSetWriter(s.screen), progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				_ = bar.Add(1)
			}
		}
	}()
	err := f()
	close(done)
	<-stopped
	_ = bar.Finish()
	s.say("   ... %s", what)
	return err
}
