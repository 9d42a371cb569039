// Package chaos does one thing after the other to a control plane of real components,
// under load, and demands what docs/guarantees.md promises: no Secret is lost or
// changed, and nothing is refused but what the plan can explain.
//
// etcd is left alone: what becomes of a control plane without it is not this product's
// business. So is SIGSTOP for API servers: a request that goes on after its client has
// given up would overwrite what was written through the other one since.
package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/chaos/plan"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
)

var (
	seed  = flag.Uint64("seed", plan.ShortSeed, "which sequence of steps; 0 for any")
	steps = flag.Int("steps", plan.ShortSteps, "how many")
)

const (
	keyName        = "kubernetes"
	keyPath        = cluster.TransitMount + "/keys/" + keyName
	providerName   = "sealproof"
	namespace      = "default"
	promotionDelay = 10 * time.Second
)

var programs = rig.Programs()

func TestChaos(t *testing.T) {
	chosen := *seed
	if chosen == 0 {
		chosen = 1 + uint64(rand.Uint32()) // 0 would not repeat it
	}
	t.Logf("make chaos SEED=%d STEPS=%d", chosen, *steps)
	s := newStage(t)
	l := s.startLoad(t)
	l.advance(t) // so that there is something to lose
	do := func(i, n int, step plan.Step) {
		began := time.Now()
		if err := s.do(t.Context(), step); err != nil {
			t.Fatalf("step %d of %d, %v: %v", i+1, n, step, err)
		}
		s.record.Add(step, began, time.Now())
		t.Logf("step %d of %d, took %v: %v", i+1, n, time.Since(began).Round(time.Millisecond), step)
		wait(t.Context(), step.Dwell)
		if !step.Hasty {
			l.advance(t)
		}
		l.judge(t, i+1)
	}
	sequence := plan.Sequence(chosen, *steps)
	for i, step := range sequence {
		do(i, len(sequence), step)
	}
	last := plan.Recovery(s.record.World())
	for i, step := range last {
		do(i, len(last), step)
	}
	if s.record.World().Faults() != 0 {
		t.Fatalf("after its recovery the world is %+v", s.record.World())
	}
	l.advance(t)
	l.stop()
	l.judge(t, len(sequence))
	l.report(t)
	s.prove(t)
}

// wait lets time pass: the pace of a run, on which nothing depends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var check = testkit.Check

// must turns a result with an error into one without: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T { return testkit.Must(v, err) }
