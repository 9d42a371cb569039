// Command run runs the steps of `make test` and of other targets, shows how long
// each took, and ends with a table.
//
//	go run ./test/run lint | test | matrix | bench | fuzz | vulncheck | release | release-check
//
// It must never know what the product does; it only calls tools and tests.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	tasks := map[string]func() []step{
		"lint": lintSteps, "test": testSteps, "matrix": matrixSteps,
		"bench": benchSteps,
		"fuzz":  func() []step { return []step{{name: "fuzz", run: fuzz}} },
		// It fails as well when it cannot reach the database, and says so.
		"vulncheck":     func() []step { return []step{{name: "govulncheck", run: tool("govulncheck", "./cmd/...").stream}} },
		"release":       releaseSteps,
		"release-check": func() []step { return []step{{name: "two releases", run: releaseCheck}} },
	}
	if len(args) != 1 || tasks[args[0]] == nil {
		return errors.New("usage: go run ./test/run lint | test | matrix | bench | fuzz | vulncheck | release | release-check")
	}
	return runSteps(ctx, os.Stdout, tasks[args[0]]())
}
