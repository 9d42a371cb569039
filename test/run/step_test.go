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

// lasting returns a step that takes a minute and ends with an error, or without.
func lasting(name string, err error) step {
	return step{name: name, run: func(context.Context, io.Writer) error {
		time.Sleep(time.Minute)
		return err
	}}
}

func TestRunStepsEndsWithATableAndTheRightResult(t *testing.T) {
	broken := errors.New("it is broken")
	gate := lasting("gate", broken)
	gate.gate = true
	for name, tc := range map[string]struct {
		steps     []step
		interrupt time.Duration // 0 for none
		wantErr   string
		table     string
	}{
		"all pass": {
			steps: []step{lasting("one", nil), lasting("two", nil)},
			table: "STEP   TIME    RESULT\none    1m00s   ok\ntwo    1m00s   ok\nall    2m00s   \n",
		},
		"two beside each other take the time of one": {
			steps: []step{beside(lasting("one", nil), lasting("two", nil))},
			table: "STEP                   TIME    RESULT\none; beside them two   1m00s   ok\nall                    1m00s   \n",
		},
		"either of two beside each other fails": {
			steps:   []step{beside(lasting("one", nil), lasting("two", broken)), beside(lasting("three", broken), lasting("four", nil))},
			wantErr: "2 of 2 steps failed:\none; beside them two: it is broken\nthree; beside them four: it is broken",
			table:   "STEP                      TIME    RESULT\none; beside them two      1m00s   FAILED\nthree; beside them four   1m00s   FAILED\nall                       2m00s   \n",
		},
		"what follows a failed step is run as well": {
			steps:   []step{lasting("one", broken), lasting("two", nil)},
			wantErr: "1 of 2 steps failed:\none: it is broken",
			table:   "STEP   TIME    RESULT\none    1m00s   FAILED\ntwo    1m00s   ok\nall    2m00s   \n",
		},
		"what follows a failed gate is not": {
			steps:   []step{gate, lasting("two", nil)},
			wantErr: "1 of 2 steps failed:\ngate: it is broken",
			table:   "STEP   TIME    RESULT\ngate   1m00s   FAILED\ntwo    -       not run: gate failed\nall    1m00s   \n",
		},
		"an interrupt is no success": {
			steps:     []step{lasting("one", nil), lasting("two", nil)},
			interrupt: time.Second,
			wantErr:   "interrupted",
			table:     "STEP   TIME    RESULT\none    1m00s   ok\ntwo    -       not run: interrupted\nall    1m00s   \n",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.interrupt > 0 {
				time.AfterFunc(tc.interrupt, cancel)
			}
			var out strings.Builder
			err := runSteps(ctx, &out, tc.steps)
			if (err != nil) != (tc.wantErr != "") || err != nil && err.Error() != tc.wantErr {
				t.Errorf("%s: error is %v, want %q", name, err, tc.wantErr)
			}
			if !strings.HasSuffix(out.String(), tc.table) {
				t.Errorf("%s: the output does not end with\n%s\nbut is\n%s", name, tc.table, out.String())
			}
			if strings.Contains(tc.table, "FAILED") != strings.Contains(out.String(), broken.Error()) {
				t.Errorf("%s: the error is missing, or shown without need:\n%s", name, out.String())
			}
		})
	}
}

func TestAQuietCommandShowsItsOutputOnlyOnFailure(t *testing.T) {
	var out strings.Builder
	script := "echo 'go: downloading example.com/a v1.0.0' >&2; echo to stdout; echo to stderr >&2; exit "
	for status, want := range map[string]string{"0": "", "3": "exit status 3\nto stdout\nto stderr\n"} {
		err := command{args: []string{"sh", "-c", script + status}}.step("quiet").run(t.Context(), &out)
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), want) || out.Len() > 0 {
			t.Errorf("it wrote %q, error %v", out.String(), err)
		}
	}
}
