package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// goTest is one call of `go test`.
type goTest struct {
	dir  string // of a nested module; the repository's by default
	env  []string
	args []string
	each bool // show every test that ends, not only every package
}

// run runs the tests. It shows a line for every package that has ended, and
// everything that failing tests have written.
func (g goTest) run(ctx context.Context, out io.Writer) error {
	both := &syncWriter{w: out}
	report := newTestReport(both, g.each)
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := report.read(reader)
		// Without a reader `go test` would wait for ever.
		_, _ = io.Copy(io.Discard, reader)
		read <- err
	}()
	c := command{dir: g.dir, env: g.env, args: append([]string{"go", "test", "-json"}, g.args...)}
	err := c.stream(ctx, writer, &dropDownloads{w: both})
	_ = writer.Close()
	return errors.Join(<-read, report.verdict(err))
}

// event is one line of `go test -json` (go doc test2json; build-output:
// go help buildjson).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// testReport follows the events of one `go test -json`.
type testReport struct {
	out      io.Writer
	each     bool
	packages map[string]*packageReport
	builds   map[string]*strings.Builder // compiler output by import path
	ran      int                         // top-level tests
	skipped  []string
}

// packageReport holds the output of a package's tests until they have ended.
type packageReport struct {
	last  string                      // last line of the package itself: "ok pkg 1.2s"
	tests map[string]*strings.Builder // by top-level test; "" for the package itself
}

func newTestReport(out io.Writer, each bool) *testReport {
	return &testReport{out: out, each: each, packages: map[string]*packageReport{}, builds: map[string]*strings.Builder{}}
}

// read follows the events until the end of r. A line that is none is shown.
func (t *testReport) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				t.add(e)
			} else {
				printf(t.out, "%s", line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

func (t *testReport) add(e event) {
	if e.Action == "build-output" {
		t.build(e.ImportPath).WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := t.packages[e.Package]
	if p == nil {
		p = &packageReport{tests: map[string]*strings.Builder{}}
		t.packages[e.Package] = p
	}
	top, sub, _ := strings.Cut(e.Test, "/")
	switch e.Action {
	case "output":
		p.test(top).WriteString(e.Output)
		if e.Test == "" {
			p.last = e.Output
		}
	case "run":
		if sub == "" {
			t.ran++
		}
	case "pass", "fail", "skip":
		if e.Action == "skip" && e.Test != "" {
			t.skipped = append(t.skipped, e.Package+"."+e.Test)
		}
		if e.Test == "" {
			t.endPackage(p, e)
		} else if sub == "" {
			t.endTest(p, e)
		}
	}
}

// endTest shows a test that has ended, and forgets the output of one that
// passed.
func (t *testReport) endTest(p *packageReport, e event) {
	if t.each {
		printf(t.out, "  %s %s (%s)\n", strings.ToUpper(e.Action), e.Test, clock(time.Duration(e.Elapsed*float64(time.Second))))
	}
	if e.Action == "pass" {
		delete(p.tests, e.Test)
	}
}

// endPackage shows a package that has ended, and what its failed tests have
// written.
func (t *testReport) endPackage(p *packageReport, e event) {
	if e.Action != "fail" {
		if e.Action == "pass" { // and not: no test files
			printf(t.out, "%s", p.last)
		}
		delete(t.packages, e.Package)
		return
	}
	if b := t.builds[e.FailedBuild]; b != nil {
		printf(t.out, "%s", b)
		delete(t.builds, e.FailedBuild)
	}
	t.show(p)
	delete(t.packages, e.Package)
}

// show writes what is left of a package's output: that of its failed tests,
// then its own, which holds panics and ends with the FAIL line.
func (t *testReport) show(p *packageReport) {
	for _, name := range slices.Sorted(maps.Keys(p.tests)) {
		if name != "" {
			printf(t.out, "%s", p.tests[name])
		}
	}
	printf(t.out, "%s", p.test(""))
}

// verdict turns the exit of `go test` into the step's error. Tests that did
// not run prove nothing, so they are no success.
func (t *testReport) verdict(exit error) error {
	for _, name := range slices.Sorted(maps.Keys(t.packages)) {
		t.show(t.packages[name]) // those that were running when it was interrupted
	}
	for _, name := range slices.Sorted(maps.Keys(t.builds)) {
		printf(t.out, "%s", t.builds[name])
	}
	switch {
	case exit != nil:
		return exit
	case t.ran == 0:
		return errors.New("no test was run")
	case len(t.skipped) > 0:
		return fmt.Errorf("%d tests were skipped: %s", len(t.skipped), strings.Join(t.skipped, ", "))
	}
	printf(t.out, "%d tests passed\n", t.ran)
	return nil
}

func (t *testReport) build(path string) *strings.Builder {
	if t.builds[path] == nil {
		t.builds[path] = &strings.Builder{}
	}
	return t.builds[path]
}

func (p *packageReport) test(name string) *strings.Builder {
	if p.tests[name] == nil {
		p.tests[name] = &strings.Builder{}
	}
	return p.tests[name]
}
