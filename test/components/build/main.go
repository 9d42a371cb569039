// Command build compiles the programs that tests, demo and benchmarks run, and
// prints where they are:
//
//	go run ./test/components/build [all | NAME...]
//
// Without a name it builds what `make test` and `make demo` need.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sealproof/sealproof/test/components"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: build [all | NAME...]\nnames: %v\n", components.Names())
	}
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	names := components.Default()
	if len(args) == 1 && args[0] == "all" {
		names = components.Names()
	} else if len(args) > 0 {
		names = nil
		for _, arg := range args {
			names = append(names, components.Name(arg))
		}
	}
	binaries, err := components.Build(ctx, os.Stderr, names...)
	if err != nil {
		return err
	}
	for _, name := range components.Names() {
		if binary, ok := binaries[name]; ok {
			fmt.Printf("%s\t%s\n", name, binary.Path)
		}
	}
	return nil
}
