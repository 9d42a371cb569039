package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// step is one thing that a task does.
type step struct {
	name string
	// run writes to out what the reader should see in any case, and returns as
	// error, with its output, what went wrong.
	run func(ctx context.Context, out io.Writer) error
	// gate stops the task when the step fails, since nothing after it can work.
	gate bool
}

// runSteps runs every step, those after a failed one as well, so that one run
// shows all that is wrong. It ends with a table and returns an error if any
// step failed or was not run.
func runSteps(ctx context.Context, out io.Writer, steps []step) error {
	began, stopped := time.Now(), ""
	var failed []string
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0) // it holds everything back until Flush
	printf(table, "STEP\tTIME\tRESULT\n")
	for i, s := range steps {
		if stopped != "" {
			printf(table, "%s\t-\tnot run: %s\n", s.name, stopped)
			continue
		}
		printf(out, "==> [%d/%d] %s\n", i+1, len(steps), s.name)
		start, text := time.Now(), "ok"
		err := s.run(ctx, out)
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", s.name, err))
			text = "FAILED"
			printf(out, "%v\n", err)
		}
		switch {
		case ctx.Err() != nil:
			stopped = "interrupted"
		case err != nil && s.gate:
			stopped = s.name + " failed"
		}
		took := clock(time.Since(start))
		printf(table, "%s\t%s\t%s\n", s.name, took, text)
		printf(out, "<== [%d/%d] %s: %s, %s\n\n", i+1, len(steps), s.name, text, took)
	}
	printf(table, "all\t%s\t\n", clock(time.Since(began)))
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case len(failed) > 0:
		// What went wrong stands at the end once more: of a long output often only that is kept.
		return fmt.Errorf("%d of %d steps failed:\n%s", len(failed), len(steps), strings.Join(failed, "\n"))
	}
	return nil
}

// beside returns a step that runs two: what the second writes is shown when the first has
// ended. Either may fail; both are run to their end.
func beside(first, second step) step {
	return step{name: first.name + "; beside them " + second.name, run: func(ctx context.Context, out io.Writer) error {
		var later bytes.Buffer
		ended := make(chan error, 1)
		go func() { ended <- second.run(ctx, &later) }()
		err := first.run(ctx, out)
		err = errors.Join(err, <-ended)
		_, _ = later.WriteTo(out)
		return err
	}}
}

// clock writes a duration as minutes and seconds.
func clock(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// printf writes what is only shown. A reader that has gone away must not
// change the result of a test.
func printf(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format, args...)
}
