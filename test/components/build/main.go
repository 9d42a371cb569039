// Command build compiles the programs that tests, demo and benchmarks run, and
// prints where they are:
//
//	go run ./test/components/build [-clean] [all | NAME...]
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
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: build [-clean] [all | NAME...]\nnames: %v\n", components.Names())
		flag.PrintDefaults()
	}
	clean := flag.Bool("clean", false, "remove everything that was built, then stop")
	flag.Parse()
	if *clean {
		dir, err := components.Clean()
		if err == nil {
			fmt.Println("removed the built components in", dir)
		}
		return err
	}

	binaries, err := components.Build(ctx, os.Stderr, names(flag.Args())...)
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

func names(args []string) []components.Name {
	switch {
	case len(args) == 0:
		return components.Default()
	case len(args) == 1 && args[0] == "all":
		return components.Names()
	}
	var list []components.Name
	for _, arg := range args {
		list = append(list, components.Name(arg))
	}
	return list
}
