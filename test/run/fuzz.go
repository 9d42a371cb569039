package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
)

// fuzzTarget is one fuzz test.
type fuzzTarget struct{ pkg, name string }

// fuzzSteps are those of `make fuzz`: one for every fuzz test there is, each
// for the time in FUZZTIME.
func fuzzSteps(ctx context.Context) ([]step, error) {
	list, err := command{args: []string{"go", "test", "-list=^Fuzz", "./..."}}.quiet(ctx)
	if err != nil {
		return nil, err
	}
	targets := parseFuzzList(list)
	if len(targets) == 0 {
		return nil, errors.New("there are no fuzz tests")
	}
	var steps []step
	for _, t := range targets {
		c := command{args: []string{"go", "test", "-run=^$", "-fuzz=^" + t.name + "$", "-fuzztime=" + cmp.Or(os.Getenv("FUZZTIME"), "1m"), t.pkg}}
		steps = append(steps, step{
			name: strings.TrimPrefix(t.pkg, "github.com/sealproof/sealproof/") + " " + t.name,
			run:  c.stream,
		})
	}
	return steps, nil
}

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
