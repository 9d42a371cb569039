package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counted counts writes.
type counted struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
	fail   error
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	if c.fail != nil {
		return 0, c.fail
	}
	return c.text.Write(p)
}

func (c *counted) written() (text string, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String(), c.writes
}

func newTestLog(out *counted) (*slog.Logger, *lineWriter) {
	lines := &lineWriter{w: out}
	return slog.New(promptly{slog.NewTextHandler(lines, nil), lines}), lines
}

func TestLinesShareOneWriteAndWaitOnlyShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counted{}
		log, _ := newTestLog(out)
		for range 10 {
			log.Info("sealed")
		}
		if _, writes := out.written(); writes != 0 {
			t.Errorf("%d writes at once", writes)
		}
		time.Sleep(logDelay)
		synctest.Wait()
		text, writes := out.written()
		if got := strings.Count(text, "sealed"); writes != 1 || got != 10 {
			t.Errorf("%d writes of %d lines", writes, got)
		}
		log.With("a", 1).WithGroup("g").Info("later")
		time.Sleep(logDelay)
		synctest.Wait()
		if text, writes = out.written(); writes != 2 || !strings.Contains(text, "later") {
			t.Errorf("%d writes: %s", writes, text)
		}
	})
}

func TestAWarningIsWrittenAtOnceWithAllBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counted{}
		log, _ := newTestLog(out)
		log.Info("first")
		log.With("a", 1).Warn("second")
		if text, _ := out.written(); strings.Index(text, "first") > strings.Index(text, "second") || !strings.Contains(text, "second") {
			t.Errorf("written: %s", text)
		}
		log.Log(context.Background(), slog.LevelError, "third")
		if text, _ := out.written(); !strings.Contains(text, "third") {
			t.Error("an error waits")
		}
	})
}

func TestNothingWaitsBeyondTheBufferOrTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counted{}
		_, lines := newTestLog(out)
		if n, err := lines.Write(make([]byte, logBuffer+1)); n != logBuffer+1 || err != nil {
			t.Errorf("a full buffer: %d, %v", n, err)
		}
		if text, _ := out.written(); len(text) != logBuffer+1 {
			t.Errorf("written %d bytes of a full buffer", len(text))
		}
		if _, err := lines.Write([]byte("last\n")); err != nil {
			t.Fatal(err)
		}
		if err := lines.Flush(); err != nil {
			t.Fatal(err)
		}
		if text, _ := out.written(); !strings.HasSuffix(text, "last\n") {
			t.Error("the last line was not written")
		}
		out.fail = errors.New("disk full")
		_, _ = lines.Write([]byte("x"))
		if err := lines.Flush(); !errors.Is(err, out.fail) {
			t.Errorf("got %v", err)
		}
	})
}
