package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// goTest is one call of `go test`.
type goTest struct {
	dir  string // of a nested module; the repository's by default
	env  []string
	args []string
	each bool // show every test that ends, not only every package
	nice bool // leave most of the processors to whatever else wants them
}

// run runs the tests. It shows a line for every package that has ended, and at the
// end everything that failed tests have written. Tests that did not run prove
// nothing: a skipped test is a failure, and so is a call that ran none.
func (g goTest) run(ctx context.Context, out io.Writer) error {
	events, err := os.CreateTemp("", "sealproof-tests-")
	if err != nil {
		return fmt.Errorf("keep the results of tests: %w", err)
	}
	defer os.Remove(events.Name())
	defer events.Close()
	format := "pkgname"
	if g.each {
		format = "testname"
	}
	// Not through "go tool", which passes an interrupt on: the second one ends gotestsum
	// before it has shown what was interrupted.
	program, err := tool("-n", "gotestsum").quiet(ctx)
	if err != nil {
		return err
	}
	args := []string{strings.TrimSpace(program), "--format=" + format, "--format-icons=text", "--format-hide-empty-pkg", "--jsonfile=" + events.Name(), "--"}
	if g.nice {
		// Not the lowest priority: beside tests that keep all processors busy an API server of
		// that priority has not started after five minutes.
		args = append([]string{"nice", "-n", "5"}, args...)
	}
	c := command{dir: g.dir, env: g.env, args: append(args, g.args...)}
	if err := c.stream(ctx, out); err != nil {
		said, readErr := failed(events)
		return errors.Join(append([]error{err, readErr}, said...)...)
	}
	return allRan(events)
}

// event is one of `go test -json` (go doc test2json).
type event struct{ Action, Package, Test, Output string }

// scanEvents calls f with each event.
func scanEvents(events io.Reader, f func(event)) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n') // an event holds a line of output, of any length
		if len(line) > 0 {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("read the results of tests: %w", err)
			}
			f(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the results of tests: %w", err)
		}
	}
}

// logged matches the first line of what a test has logged, or found wrong: nothing tells them apart.
var logged = regexp.MustCompile(`^\s+\w+\.go:\d+: `)

// failed returns the last lines that each failed test has written about itself, cut where they
// are long: enough to know what went wrong where the rest of the output is not kept.
func failed(events io.Reader) (lines []error, err error) {
	const most, longest = 15, 300
	wrote := map[string][]string{}
	err = scanEvents(events, func(e event) {
		name := e.Package + "." + e.Test
		switch {
		case e.Test == "":
		case e.Action == "output" && logged.MatchString(e.Output):
			line := strings.TrimSpace(e.Output)
			wrote[name] = append(wrote[name], line[:min(len(line), longest)])
		case e.Action == "fail":
			for _, line := range wrote[name][max(0, len(wrote[name])-most):] {
				lines = append(lines, fmt.Errorf("%s: %s", name, line))
			}
			delete(wrote, name)
		case e.Action == "pass":
			delete(wrote, name)
		}
	})
	return lines, err
}

// allRan reads the events that say how a test ended.
func allRan(events io.Reader) error {
	ran := 0
	var skipped []string
	err := scanEvents(events, func(e event) {
		switch {
		case e.Test == "": // a package
		case e.Action == "skip":
			skipped = append(skipped, e.Package+"."+e.Test)
		case e.Action == "pass" || e.Action == "fail":
			ran++
		}
	})
	switch {
	case err != nil:
		return err
	case len(skipped) > 0:
		return fmt.Errorf("%d tests were skipped: %s", len(skipped), strings.Join(skipped, ", "))
	case ran == 0:
		return errors.New("no test was run")
	}
	return nil
}
