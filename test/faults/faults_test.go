// Package faults brings every fault that a plugin has to expect about, between
// real components, and records what API servers are told, for how long, and that
// every Secret is still there in the end. docs/outages.md shows the results; a
// run checks that they still hold. It must never look inside the product.
package faults

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
)

var update = flag.Bool("update", false, "write what is measured to "+document)

const (
	keyName      = "kubernetes"
	providerName = "sealproof"
	namespace    = "default"
	// limit bounds one group; all of its waits are for readiness. It is many times
	// what a group takes on a quiet machine.
	limit = 20 * time.Minute
)

// programs builds everything once for all groups of this run.
var programs = rig.Programs()

// catalogue lists the faults in the order of the document.
func catalogue() []string {
	return []string{
		"Vault down when the plugin starts",
		"Vault sealed",
		"Vault stopped and started",
		"leader of three Vault nodes killed",
		"connection hangs",
		"answers after 5 s",
		"reset in the middle of an answer",
		"HTTP 429",
		"HTTP 500",
		"HTTP 503",
		"certificate expired",
		"certificate of another CA",
		"name not resolvable",
		"token revoked",
		"tokens bound to another address",
		"token expired while Vault was away",
		"secret-id expired",
		"secret-id replaced",
		"auth mount disabled",
		"policy deleted",
		"policy wrong, seen twice",
		"policy removed and given back, seen once",
		"Transit mount disabled",
		"Transit mount enabled again, empty",
		"key deleted",
		"key deleted, glass broken",
		"key deleted and created again",
		"`min_decryption_version` above what is in use",
		"rotation under load",
		"outage of two plugins and two API servers, one of which never wrote",
		"plugin killed under load",
		"lease over",
		"key revoked for good",
		"socket directory missing",
		"socket directory read-only",
		"stale socket",
		"regular file in the socket's place",
		"symbolic link in the socket's place",
		"second plugin on the socket",
		"second plugin on the socket, with takeover",
		"peer uid not allowed",
		"1,000 concurrent callers",
		"1,000 concurrent callers, Vault hangs",
		"a caller that never reads",
		"one corrupted ciphertext among many",
	}
}

// group is one control plane, or less, and the faults that it goes through one
// after the other.
type group struct {
	name string
	run  func(*testing.T, *results)
}

// lanes are groups that follow each other; the lanes themselves go on at the
// same time, since all of them wait far more than they compute.
func lanes() [][]group {
	return [][]group{
		{{"revoked", revokedKey}},
		{{"lease", leaseOver}, {"callers", callerFaults}, {"socket", socketFaults}},
		{{"network", networkFaults}, {"replicas", replicaFaults}},
		{{"access", accessFaults}},
	}
}

func TestFaults(t *testing.T) {
	var all results
	var running sync.WaitGroup
	for _, lane := range lanes() {
		running.Go(func() {
			for _, g := range lane {
				t.Run(g.name, func(t *testing.T) { g.run(t, &all) })
			}
		})
	}
	running.Wait()
	if t.Failed() && *update {
		t.Fatal("the document is left as it was")
	}
	if err := all.settle(*update); err != nil {
		t.Error(err)
	}
}

var check = testkit.Check

// must turns a result with an error into one without: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T { return testkit.Must(v, err) }

// groupContext ends with the test, or with its limit.
func groupContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
