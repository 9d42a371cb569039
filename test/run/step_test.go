package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func passing(name string) step {
	return step{name: name, run: func(_ context.Context, out io.Writer) error {
		time.Sleep(time.Minute)
		printf(out, "output of %s\n", name)
		return nil
	}}
}

func failing(name string) step {
	return step{name: name, run: func(context.Context, io.Writer) error {
		time.Sleep(time.Minute)
		return errors.New(name + " is broken")
	}}
}

func TestRunStepsEndsWithATableAndTheRightResult(t *testing.T) {
	gate := failing("gate")
	gate.gate = true
	for name, tc := range map[string]struct {
		steps   []step
		wantErr string
		table   string
	}{
		"all pass": {
			steps: []step{passing("one"), passing("two")},
			table: "STEP   TIME    RESULT\none    1m00s   ok\ntwo    1m00s   ok\nall    2m00s   \n",
		},
		"what follows a failed step is run as well": {
			steps:   []step{failing("one"), passing("two")},
			wantErr: "1 of 2 steps failed",
			table:   "STEP   TIME    RESULT\none    1m00s   FAILED\ntwo    1m00s   ok\nall    2m00s   \n",
		},
		"what follows a failed gate is not": {
			steps:   []step{gate, passing("two")},
			wantErr: "1 of 2 steps failed",
			table:   "STEP   TIME    RESULT\ngate   1m00s   FAILED\ntwo    -       not run: gate failed\nall    1m00s   \n",
		},
		"nothing to run is no success": {
			wantErr: "nothing to run",
			table:   "STEP   TIME   RESULT\nall    0.0s   \n",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out strings.Builder
			err := runSteps(t.Context(), &out, tc.steps)

			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("%s: error is %v, want %q", name, err, tc.wantErr)
			}
			if !strings.HasSuffix(out.String(), tc.table) {
				t.Errorf("%s: the output does not end with\n%s\nbut is\n%s", name, tc.table, out.String())
			}
			if tc.wantErr != "" && len(tc.steps) > 0 && !strings.Contains(out.String(), "is broken") {
				t.Errorf("the error is not shown:\n%s", out.String())
			}
		})
	}
}

func TestRunStepsStopsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	interrupt := step{name: "one", run: func(context.Context, io.Writer) error {
		cancel()
		return nil
	}}
	var out strings.Builder

	err := runSteps(ctx, &out, []step{interrupt, passing("two")})

	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error is %v", err)
	}
	if !strings.Contains(out.String(), "not run: interrupted") || strings.Contains(out.String(), "output of two") {
		t.Errorf("the second step was run:\n%s", out.String())
	}
}

func TestAQuietStepShowsItsOutputOnlyOnFailure(t *testing.T) {
	var out strings.Builder
	if err := (command{args: []string{"echo", "noise"}}).step("quiet").run(t.Context(), &out); err != nil || out.Len() > 0 {
		t.Errorf("it wrote %q, %v", out.String(), err)
	}
	script := "echo 'go: downloading example.com/a v1.0.0' >&2; echo to stdout; echo to stderr >&2; exit 3"
	err := command{args: []string{"sh", "-c", script}}.step("quiet").run(t.Context(), &out)
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3\nto stdout\nto stderr\n") || out.Len() > 0 {
		t.Errorf("it wrote %q, error %v", out.String(), err)
	}
}
