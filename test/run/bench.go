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
	"regexp"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/components"
)

// benchDir holds one file of benchmark results per commit, in the format that
// benchstat reads. It is not in git.
const benchDir = "bench"

// benchSteps builds all components first, but for a part of the benchmarks: each builds what it
// needs, which may be little.
func benchSteps() []step {
	run := step{name: "benchmarks", run: bench}
	if os.Getenv("BENCH") != "" {
		return []step{run}
	}
	return []step{buildStep(components.Default()...), run}
}

// result matches a line with the figures of a benchmark.
var result = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+\S`)

// bench runs the benchmarks, keeps the figures, and compares them with the
// last ones kept of another commit. With DOC=1 in the environment it writes
// them into docs/performance.md as well, and with BENCH=Offline, say, it runs only
// the benchmarks with this in their names.
func bench(ctx context.Context, out io.Writer) error {
	// The sources that are measured: a short commit, with "-dirty" if files differ from it.
	commit, err := command{args: []string{"git", "describe", "--always", "--exclude=*", "--dirty", "--abbrev=12"}}.quiet(ctx)
	if err != nil {
		commit = "no-commit" // not a git checkout
	}
	only := os.Getenv("BENCH")
	file := filepath.Join(benchDir, strings.TrimSpace(commit)+only+".txt")
	// The benchmarks append to it, in a directory of their own.
	record, err := filepath.Abs(strings.TrimSuffix(file, ".txt") + ".jsonl")
	if err != nil {
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	if err := errors.Join(os.MkdirAll(benchDir, 0o750), os.WriteFile(record, nil, 0o600)); err != nil { //nolint:gosec // BENCH is the caller's choice
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	runs := [][]string{
		{"-bench=.", "-skip=^BenchmarkScenario", "-benchtime=2s", "-count=" + cmp.Or(os.Getenv("COUNT"), "3")},
		{"-bench=^BenchmarkScenario", "-benchtime=1x", "-v"}, // minutes each, so once
	}
	if only != "" {
		runs = [][]string{{"-bench=" + only, "-benchtime=1x", "-v"}}
	}
	var all bytes.Buffer
	for _, args := range runs {
		var text strings.Builder
		c := command{
			env:  []string{"SEALPROOF_BENCH_RECORD=" + record},
			args: append([]string{"go", "test", "-run=^$", "-timeout=60m", "./test/bench"}, args...),
		}
		if err := c.stream(ctx, io.MultiWriter(out, &all, &text)); err != nil {
			return err
		}
		if !result.MatchString(text.String()) { // a benchmark that skips prints its name only
			return errors.New("no benchmark gave a result")
		}
	}
	if err := os.WriteFile(file, all.Bytes(), 0o600); err != nil { //nolint:gosec // likewise; only complete results are kept
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
