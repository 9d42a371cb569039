package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// result is what became of a step.
type result struct {
	name string
	took time.Duration
	text string
}

// runSteps runs every step, those after a failed one as well, so that one run
// shows all that is wrong. It ends with a table and returns an error if any
// step failed or was not run.
func runSteps(ctx context.Context, out io.Writer, steps []step) error {
	began := time.Now()
	var results []result
	failed := 0
	stopped := ""
	for i, s := range steps {
		if stopped != "" {
			results = append(results, result{name: s.name, text: "not run: " + stopped})
			continue
		}
		printf(out, "==> [%d/%d] %s\n", i+1, len(steps), s.name)
		start := time.Now()
		err := s.run(ctx, out)
		r := result{name: s.name, took: time.Since(start), text: "ok"}
		if err != nil {
			failed++
			r.text = "FAILED"
			printf(out, "%v\n", err)
		}
		switch {
		case ctx.Err() != nil:
			stopped = "interrupted"
		case err != nil && s.gate:
			stopped = s.name + " failed"
		}
		results = append(results, r)
		printf(out, "<== [%d/%d] %s: %s, %s\n\n", i+1, len(steps), s.name, r.text, clock(r.took))
	}
	if err := table(out, results, time.Since(began)); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case failed > 0:
		return fmt.Errorf("%d of %d steps failed", failed, len(steps))
	case len(steps) == 0:
		return errors.New("there was nothing to run")
	}
	return nil
}

// table writes one line per step.
func table(out io.Writer, results []result, total time.Duration) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	printf(w, "STEP\tTIME\tRESULT\n")
	for _, r := range results {
		took := "-"
		if r.took > 0 {
			took = clock(r.took)
		}
		printf(w, "%s\t%s\t%s\n", r.name, took, r.text)
	}
	printf(w, "all\t%s\t\n", clock(total))
	return w.Flush()
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
