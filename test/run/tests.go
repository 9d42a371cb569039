package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sealproof/sealproof/test/components"
)

// testSteps are those of `make test`. The checks that find most mistakes in
// the shortest time come first; the components before the first test, since
// the packages' own tests run against the real ones as well.
func testSteps() []step {
	return append(lintSteps(),
		buildStep(components.Default()...),
		step{name: "tests", run: unitTests},
		step{name: "alert tests", run: goTest{dir: "test/deploy/formats", args: []string{"./..."}}.run},
		// Together: those of the first wait most of the time, and the second compute.
		beside(
			step{name: "end-to-end tests and faults", run: endToEndTests(nil, "./test/e2e/...", "./test/faults", "./test/residue/...", "./test/runbook", "./test/verify")},
			// Without the race detector, which makes them several times longer: what they
			// compare has no goroutines, or is tested with it above.
			step{name: "etcd's own reading, and the corpus", run: goTest{nice: true, args: append([]string{"-timeout=60m"}, comparisons()...)}.run},
		),
		// One fixed sequence; others are for `make chaos`.
		step{name: "chaos", run: endToEndTests(nil, "./test/chaos")},
		step{name: "demo", run: command{args: []string{"go", "run", "./test/demo", "-once", "-transcript=check"}}.stream},
	)
}

// comparisons are the packages that compare many inputs with real programs.
func comparisons() []string { return []string{"./etcdaudit/etcdconfig", "./test/corpus/..."} }

// unitTests runs the tests of all packages but the comparisons, the end-to-end tests, the
// faults, what is left in etcd's files and what clears it, chaos and the benchmarks, with the
// race detector.
func unitTests(ctx context.Context, out io.Writer) error {
	list, err := command{args: []string{"go", "list", "./..."}}.quiet(ctx)
	if err != nil {
		return err
	}
	args := []string{"-race", "-timeout=30m"} // only bounds a hang
	for _, pkg := range strings.Fields(list) {
		if strings.Contains(pkg, "/test/e2e") || strings.Contains(pkg, "/test/faults") || strings.Contains(pkg, "/test/residue") || strings.HasSuffix(pkg, "/test/runbook") || strings.HasSuffix(pkg, "/test/verify") || strings.Contains(pkg, "/test/bench") ||
			strings.HasSuffix(pkg, "/etcdaudit/etcdconfig") || strings.Contains(pkg, "/test/corpus") || strings.HasSuffix(pkg, "/test/chaos") { // test/chaos/plan takes seconds
			continue
		}
		args = append(args, pkg)
	}
	return goTest{args: args}.run(ctx, out)
}

// endToEndTests returns the run function of a step with the end-to-end tests of
// some packages, which never come out of Go's test cache: what they test is other
// programs.
func endToEndTests(env []string, packages ...string) func(context.Context, io.Writer) error {
	return goTest{env: env, each: true, args: append([]string{"-race", "-count=1", "-timeout=60m", "-parallel=4"}, packages...)}.run
}

// matrixSteps are those of `make test-matrix`: the end-to-end tests with other
// versions of the components. Not every pair is worth its minutes: each
// version appears, the newest API server also with an etcd that is being
// upgraded behind it, and the older one with the etcd releases it came with.
func matrixSteps() []step {
	pairs := []struct{ apiserver, etcd components.Name }{
		{components.APIServer, components.Etcd},
		{components.APIServer, components.Etcd36},
		{components.APIServer136, components.Etcd36},
		{components.APIServer136, components.Etcd35},
	}
	steps := []step{buildStep(components.Names()...)}
	for _, p := range pairs {
		steps = append(steps, step{
			name: fmt.Sprintf("%s with %s", p.apiserver, p.etcd),
			run:  endToEndTests([]string{"SEALPROOF_APISERVER=" + string(p.apiserver), "SEALPROOF_ETCD=" + string(p.etcd)}, "./test/e2e/..."),
		})
	}
	// An etcd before 3.7 has no streams.
	for _, etcd := range []components.Name{components.Etcd36, components.Etcd35} {
		steps = append(steps, step{
			name: fmt.Sprintf("the live scan with %s", etcd),
			run:  endToEndTests([]string{"SEALPROOF_ETCD=" + string(etcd)}, "./etcdaudit/live"),
		})
	}
	return steps
}
