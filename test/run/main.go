// Command run runs the steps of `make test` and of other targets, shows how long
// each took, and ends with a table.
//
//	go run ./test/run lint | test | matrix | bench | fuzz | vulncheck | release | release-check
//
// It must never know what the product does; it only calls tools and tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	tasks := map[string]func(context.Context) ([]step, error){
		"lint":          func(context.Context) ([]step, error) { return lintSteps(), nil },
		"test":          func(context.Context) ([]step, error) { return testSteps(), nil },
		"matrix":        func(context.Context) ([]step, error) { return matrixSteps(), nil },
		"bench":         func(context.Context) ([]step, error) { return benchSteps(), nil },
		"fuzz":          fuzzSteps,
		"vulncheck":     func(context.Context) ([]step, error) { return vulncheckSteps(), nil },
		"release":       func(context.Context) ([]step, error) { return releaseSteps(), nil },
		"release-check": func(context.Context) ([]step, error) { return releaseCheckSteps(), nil },
	}
	if len(args) != 1 || tasks[args[0]] == nil {
		return fmt.Errorf("usage: go run ./test/run lint | test | matrix | bench | fuzz | vulncheck | release | release-check")
	}
	steps, err := tasks[args[0]](ctx)
	if err != nil {
		return err
	}
	return runSteps(ctx, os.Stdout, steps)
}
