package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"strings"
)

// fuzz runs every fuzz test there is, each for the time in FUZZTIME.
func fuzz(ctx context.Context, out io.Writer) error {
	list, err := command{args: []string{"go", "test", "-list=^Fuzz", "./..."}}.quiet(ctx)
	targets := parseFuzzList(list)
	if err == nil && len(targets) == 0 {
		err = errors.New("there are no fuzz tests")
	}
	failed := []error{err}
	for _, t := range targets { // after an interrupt each ends at once
		printf(out, "%s %s\n", t.pkg, t.name)
		c := command{args: []string{"go", "test", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + cmp.Or(os.Getenv("FUZZTIME"), "1m"), t.pkg}}
		failed = append(failed, c.stream(ctx, out))
	}
	return errors.Join(failed...)
}

type fuzzTarget struct{ pkg, name string }

// parseFuzzList reads the output of `go test -list`: the names of a package's
// tests come before the line that names the package.
func parseFuzzList(text string) []fuzzTarget {
	var targets []fuzzTarget
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "Fuzz"):
			names = append(names, fields[0])
		case len(fields) >= 2 && fields[0] == "ok":
			for _, name := range names {
				targets = append(targets, fuzzTarget{pkg: fields[1], name: name})
			}
			names = nil
		}
	}
	return targets
}
