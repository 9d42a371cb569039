// Command build compiles the programs that tests, demo and benchmarks run, and
// prints where they are:
//
//	go run ./test/components/build [all | NAME...]
//
// Without a name it builds what `make test` and `make demo` need.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/sealproof/sealproof/test/components"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	names := components.Default()
	if slices.Equal(args, []string{"all"}) {
		names = components.Names()
	} else if len(args) > 0 {
		names = nil
		for _, arg := range args {
			names = append(names, components.Name(arg))
		}
	}
	binaries, err := components.Build(ctx, os.Stderr, names...)
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		fmt.Printf("%s\t%s\n", name, binaries.Path(name))
	}
	return err
}
