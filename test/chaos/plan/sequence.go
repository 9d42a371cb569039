package plan

import (
	"math/rand/v2"
	"time"
)

// maxFaults are those that last at the same time.
const maxFaults = 4

// The short sequence, which every run of all tests makes. Of many seeds it is one in
// which nearly everything comes up within two dozen steps, and API servers, which take
// seconds to start, are seldom restarted.
const (
	ShortSeed  = 15066
	ShortSteps = 24
)

// Sequence returns the steps of a seed. A longer one begins with the shorter one.
func Sequence(seed uint64, length int) []Step {
	chance := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // must be the same for the same seed
	var steps []Step
	for w := Whole(); len(steps) < length; {
		s := pick(chance, w.choices())
		s.Hasty = chance.IntN(4) == 0
		dwell := []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
		s.Dwell = dwell[chance.IntN(len(dwell))]
		if s.Hasty {
			s.Dwell = 0
		}
		steps = append(steps, s)
		w = w.After(s)
	}
	return steps
}

func pick(chance *rand.Rand, all []choice) Step {
	total := 0
	for _, c := range all {
		total += c.weight
	}
	n := chance.IntN(total)
	for _, c := range all {
		if n -= c.weight; n < 0 {
			return c.Step
		}
	}
	panic("the weights were added up wrongly")
}

// Recovery returns the steps that make a world whole again.
func Recovery(w World) []Step {
	var steps []Step
	do := func(s Step) {
		steps = append(steps, s)
		w = w.After(s)
	}
	back := map[State]Action{Down: DoStart, Paused: DoResume, Sealed: DoUnseal}
	for node, state := range w.Vault {
		if state != Up {
			do(Step{Action: back[state], Part: Vault, Node: node})
		}
	}
	for host, h := range w.Hosts {
		// Always: after this step every part notices the steps before it.
		do(Step{Action: DoHeal, Part: Link, Host: host, Node: All})
		if h.Plugin != Up {
			do(Step{Action: back[h.Plugin], Part: Plugin, Host: host})
		}
	}
	for host, h := range w.Hosts {
		if h.API != Up {
			do(Step{Action: DoStart, Part: API, Host: host})
		}
	}
	return steps
}
