package main

import (
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
func bench(ctx context.Context, out io.Writer) (err error) {
	file := filepath.Join(benchDir, commitName(ctx)+".txt")
	if err := os.MkdirAll(benchDir, 0o750); err != nil {
		return fmt.Errorf("create the directory of benchmark results: %w", err)
	}
	// Only complete results get the final name.
	temp, err := os.CreateTemp(benchDir, ".running-")
	if err != nil {
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	defer os.Remove(temp.Name())
	defer temp.Close()

	record, err := newRecord(strings.TrimSuffix(file, ".txt") + ".jsonl")
	if err != nil {
		return err
	}
	both := &syncWriter{w: out}
	for _, args := range [][]string{
		{"-bench=.", "-skip=^BenchmarkScenario", "-benchtime=2s", "-count=" + setting("COUNT", "3")},
		{"-bench=^BenchmarkScenario", "-benchtime=1x", "-v"}, // minutes each, so once
	} {
		var text strings.Builder
		c := command{
			env:  []string{"SEALPROOF_BENCH_RECORD=" + record},
			args: append([]string{"go", "test", "-run=^$", "-timeout=60m", "./test/bench"}, args...),
		}
		if err := c.stream(ctx, io.MultiWriter(both, temp, &text), &dropDownloads{w: both}); err != nil {
			return err
		}
		if !hasResults(text.String()) {
			return errors.New("no benchmark was run")
		}
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("keep benchmark results: %w", err)
	}
	printf(out, "\nkept in %s\n", file)
	if os.Getenv("DOC") != "" {
		document := command{args: []string{"go", "run", "./test/bench/document", "-record", record}}
		if err := document.stream(ctx, both, &dropDownloads{w: both}); err != nil {
			return err
		}
		printf(out, "written into docs/performance.md\n")
	}

	files, err := benchFiles(benchDir)
	if err != nil {
		return err
	}
	previous, ok := newestExcept(files, file)
	if !ok {
		printf(out, "no earlier results to compare with\n")
		return nil
	}
	comparison, err := tool("benchstat", previous, file).quiet(ctx)
	if err != nil {
		return err
	}
	printf(out, "%s", comparison)
	return nil
}

// newRecord makes sure that a file of figures begins empty, and returns its
// absolute path: tests run in their own directory.
func newRecord(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("keep figures: %w", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return "", fmt.Errorf("keep figures: %w", err)
	}
	return path, nil
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

// benchFile is one file of results.
type benchFile struct {
	path     string
	modified time.Time
}

func benchFiles(dir string) ([]benchFile, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var files []benchFile
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("look for earlier benchmark results: %w", err)
		}
		files = append(files, benchFile{path: path, modified: info.ModTime()})
	}
	return files, nil
}

// newestExcept returns the file with the latest results but one.
func newestExcept(files []benchFile, except string) (string, bool) {
	var newest benchFile
	for _, f := range files {
		if f.path != except && f.modified.After(newest.modified) {
			newest = f
		}
	}
	return newest.path, newest.path != ""
}

// setting returns an environment variable, or what is used without it.
func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
