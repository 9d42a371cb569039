package main

import (
	"context"
	"errors"
	"io"
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

func newTestLog(out *counted) (*slog.Logger, *lineQueue) {
	handler, queue := newLogHandler(out, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
	return slog.New(handler), queue
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

func TestNothingWaitsBeyondTheQueueOrTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counted{}
		log, queue := newTestLog(out)
		for range logQueue {
			log.Info("x")
		}
		if text, _ := out.written(); strings.Count(text, "msg=x") != logQueue {
			t.Error("a full queue was not written")
		}
		log.Info("last")
		if err := queue.Flush(); err != nil {
			t.Fatal(err)
		}
		if text, _ := out.written(); !strings.Contains(text, "msg=last") {
			t.Error("the last line was not written")
		}
		out.fail = errors.New("disk full")
		log.Info("lost")
		if err := queue.Flush(); !errors.Is(err, out.fail) {
			t.Errorf("got %v", err)
		}
	})
}
