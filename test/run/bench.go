package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/components"
)

// benchDir holds one file of benchmark results per commit, in the format that
// benchstat reads. It is not in git.
const benchDir = "bench"

// benchSteps are those of `make bench`.
func benchSteps() []step {
	return []step{
		buildStep(components.Default()...),
		{name: "benchmarks", run: bench},
	}
}

// bench runs the benchmarks, keeps the figures, and compares them with the
// last ones kept of another commit. With DOC=1 in the environment it writes
// them into docs/performance.md as well.
func bench(ctx context.Context, out io.Writer) error {
	file := filepath.Join(benchDir, commitName(ctx)+".txt")
	// The benchmarks append to it, in a directory of their own.
	record, err := filepath.Abs(strings.TrimSuffix(file, ".txt") + ".jsonl")
	if err != nil {
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	if err := errors.Join(os.MkdirAll(benchDir, 0o750), os.WriteFile(record, nil, 0o600)); err != nil {
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	var all bytes.Buffer
	for _, args := range [][]string{
		{"-bench=.", "-skip=^BenchmarkScenario", "-benchtime=2s", "-count=" + cmp.Or(os.Getenv("COUNT"), "3")},
		{"-bench=^BenchmarkScenario", "-benchtime=1x", "-v"}, // minutes each, so once
	} {
		var text strings.Builder
		c := command{
			env:  []string{"SEALPROOF_BENCH_RECORD=" + record},
			args: append([]string{"go", "test", "-run=^$", "-timeout=60m", "./test/bench"}, args...),
		}
		if err := c.stream(ctx, io.MultiWriter(out, &all, &text)); err != nil {
			return err
		}
		if !hasResults(text.String()) {
			return errors.New("no benchmark was run")
		}
	}
	if err := os.WriteFile(file, all.Bytes(), 0o600); err != nil { // only complete results
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	printf(out, "\nkept in %s\n", file)
	if os.Getenv("DOC") != "" {
		if err := (command{args: []string{"go", "run", "./test/bench/document", "-record", record}}).stream(ctx, out); err != nil {
			return err
		}
		printf(out, "written into docs/performance.md\n")
	}
	previous, err := newestExcept(benchDir, filepath.Base(file))
	if err != nil {
		return err
	}
	if previous == "" {
		printf(out, "no earlier results to compare with\n")
		return nil
	}
	return tool("benchstat", previous, file).stream(ctx, out)
}

// hasResults says whether the output of `go test -bench` has any figures: a
// line with a name, a number of rounds, and a value with its unit.
func hasResults(text string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Benchmark") && len(strings.Fields(line)) >= 4 {
			return true
		}
	}
	return false
}

// commitName names the sources that are measured: a short commit, with
// "-dirty" if files differ from it.
func commitName(ctx context.Context) string {
	commit, err := command{args: []string{"git", "rev-parse", "--short=12", "HEAD"}}.quiet(ctx)
	if err != nil {
		return "no-commit" // not a git checkout
	}
	name := strings.TrimSpace(commit)
	changes, err := command{args: []string{"git", "status", "--porcelain"}}.quiet(ctx)
	if err != nil || changes != "" {
		name += "-dirty"
	}
	return name
}

// newestExcept returns the path of the latest results in a directory but one, and
// "" if there are none.
func newestExcept(dir, except string) (newest string, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return "", err
	}
	var modified time.Time
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("look for earlier benchmark results: %w", err)
		}
		if info.Name() != except && info.ModTime().After(modified) {
			newest, modified = path, info.ModTime()
		}
	}
	return newest, nil
}
