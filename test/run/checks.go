package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/test/components"
)

// lintSteps are the checks that need no running component.
func lintSteps() []step {
	return []step{
		{name: "gofmt", run: saysNothing("not formatted (gofmt -w FILE)", "gofmt", "-l", ".")},
		{name: "go mod tidy", run: checkTidy},
		command{args: []string{"go", "vet", "./..."}}.step("go vet"),
		tool("golangci-lint", "run", "--allow-parallel-runners", "./...").step("golangci-lint"),
	}
}

// checkTidy fails if go.mod or go.sum of any module is not as `go mod tidy`
// writes it.
func checkTidy(ctx context.Context, _ io.Writer) error {
	list, err := command{args: []string{"git", "ls-files", "--cached", "--others", "--exclude-standard", "go.mod", "*/go.mod"}}.quiet(ctx)
	if err != nil {
		return err
	}
	if list == "" {
		return errors.New("git ls-files names no go.mod")
	}
	var untidy []error
	for file := range strings.FieldsSeq(list) {
		dir := filepath.Dir(file)
		if _, err := (command{dir: dir, args: []string{"go", "mod", "tidy", "-diff"}}).quiet(ctx); err != nil {
			untidy = append(untidy, fmt.Errorf("in %s: %w", dir, err))
		}
	}
	return errors.Join(untidy...)
}

// buildStep compiles components; without them no later step can work.
func buildStep(names ...components.Name) step {
	return step{name: "components", gate: true, run: func(ctx context.Context, out io.Writer) error {
		_, err := components.Build(ctx, out, names...)
		return err
	}}
}
