package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// goTest is one call of `go test`.
type goTest struct {
	dir  string // of a nested module; the repository's by default
	env  []string
	args []string
	each bool // show every test that ends, not only every package
	nice bool // leave the processors to whatever else wants them
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
	args := []string{strings.TrimSpace(program), "--format=" + format, "--format-icons=text", "--format-hide-empty-pkg", "--jsonfile-timing-events=" + events.Name(), "--"}
	if g.nice {
		args = append([]string{"nice", "-n", "19"}, args...)
	}
	c := command{dir: g.dir, env: g.env, args: append(args, g.args...)}
	if err := c.stream(ctx, out); err != nil {
		return err
	}
	return allRan(events)
}

// allRan reads the events of `go test -json` (go doc test2json) that say how a test
// ended.
func allRan(events io.Reader) error {
	ran := 0
	var skipped []string
	lines := bufio.NewScanner(events)
	for lines.Scan() {
		var e struct{ Action, Package, Test string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read the results of tests: %w", err)
		}
		switch {
		case e.Test == "": // a package
		case e.Action == "skip":
			skipped = append(skipped, e.Package+"."+e.Test)
		default:
			ran++
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return fmt.Errorf("read the results of tests: %w", err)
	case len(skipped) > 0:
		return fmt.Errorf("%d tests were skipped: %s", len(skipped), strings.Join(skipped, ", "))
	case ran == 0:
		return errors.New("no test was run")
	}
	return nil
}
