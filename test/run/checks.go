package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/test/components"
)

// lintSteps are the checks that need no running component.
func lintSteps() []step {
	return []step{
		{name: "gofmt", run: checkFormat},
		{name: "go mod tidy", run: checkTidy},
		command{args: []string{"go", "vet", "./..."}}.step("go vet"),
		tool("golangci-lint", "run", "--allow-parallel-runners", "./...").step("golangci-lint"),
	}
}

// checkFormat fails if a Go file is not as gofmt writes it.
func checkFormat(ctx context.Context, _ io.Writer) error {
	out, err := command{args: []string{"gofmt", "-l", "."}}.quiet(ctx)
	if err != nil {
		return err
	}
	if out != "" {
		return fmt.Errorf("not formatted (gofmt -w FILE):\n%s", out)
	}
	return nil
}

// checkTidy fails if go.mod or go.sum of any module is not as `go mod tidy`
// writes it.
func checkTidy(ctx context.Context, _ io.Writer) error {
	modules, err := findModules(os.DirFS("."))
	if err != nil {
		return err
	}
	var untidy []error
	for _, dir := range modules {
		if _, err := (command{dir: dir, args: []string{"go", "mod", "tidy", "-diff"}}).quiet(ctx); err != nil {
			untidy = append(untidy, fmt.Errorf("in %s: %w", dir, err))
		}
	}
	return errors.Join(untidy...)
}

// findModules returns the directories of all Go modules in the repository.
func findModules(root fs.FS) ([]string, error) {
	var dirs []string
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if name == "go.mod" {
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for Go modules: %w", err)
	}
	return dirs, nil
}

// buildStep compiles components; without them no later step can work.
func buildStep(names ...components.Name) step {
	return step{name: "components", gate: true, run: func(ctx context.Context, out io.Writer) error {
		_, err := components.Build(ctx, out, names...)
		return err
	}}
}
