package verify

import (
	"cmp"
	"slices"
)

// MaxFindings is how many findings a Tally lists.
const MaxFindings = 20_000

// maxReasons bounds the reasons that a Tally tells apart.
const maxReasons = 1000

// Tally is what became of the values of one layer of one source: how many, and which
// are findings. It holds no byte of a value. It is not safe for concurrent use.
type Tally struct {
	// Values are all that were counted, and by what became of them.
	Values     int64
	Outcomes   map[Outcome]int64
	Identities map[Identity]int64
	// Unevaluated are those of NotEvaluated, by why. Those of a reason beyond the
	// first thousand are under the empty one.
	Unevaluated map[string]int64

	findings map[string]Finding
	// sources are the values whose DEK source did not open, which Settle may know more of.
	sources map[ID]map[Outcome]int64
}

// Finding is a value that no API server can decrypt, or that holds another object
// than its etcd key names.
type Finding struct {
	// Key is the etcd key, and Revision the one that wrote the value.
	Key      string
	Revision int64
	Result   Result
}

// NewTally returns an empty one.
func NewTally() *Tally {
	return &Tally{
		Outcomes: map[Outcome]int64{}, Identities: map[Identity]int64{}, Unevaluated: map[string]int64{},
		findings: map[string]Finding{}, sources: map[ID]map[Outcome]int64{},
	}
}

// Add counts the result of the value that a revision has written under an etcd key.
func (t *Tally) Add(etcdKey []byte, revision int64, r Result) {
	t.count(r, 1)
	if (r.Outcome.Undecryptable() || r.Identity == Differs) && len(t.findings) < MaxFindings {
		t.findings[string(etcdKey)] = Finding{Key: string(etcdKey), Revision: revision, Result: r}
	}
}

// Take takes back what was added with the same result, because the value was written
// anew since.
func (t *Tally) Take(etcdKey []byte, r Result) {
	t.count(r, -1)
	delete(t.findings, string(etcdKey))
}

func (t *Tally) count(r Result, n int64) {
	t.Values += n
	t.Outcomes[r.Outcome] += n
	t.Identities[r.Identity] += n
	if r.Outcome == NotEvaluated {
		why := r.Why
		if _, known := t.Unevaluated[why]; !known && len(t.Unevaluated) >= maxReasons {
			why = ""
		}
		t.Unevaluated[why] += n
	}
	if r.Outcome == WrongKey || r.Outcome == Refused {
		if t.sources[r.Source] == nil {
			t.sources[r.Source] = map[Outcome]int64{}
		}
		t.sources[r.Source][r.Outcome] += n
	}
}

// Settle is told, when all values were added, of which sources the annotations were
// changed (see Sources.Changed).
func (t *Tally) Settle(changed []ID) {
	known := map[ID]bool{}
	for _, id := range changed {
		known[id] = true
		for outcome, n := range t.sources[id] {
			t.Outcomes[outcome] -= n
			t.Outcomes[AnnotationsChanged] += n
		}
		delete(t.sources, id)
	}
	for key, f := range t.findings {
		if known[f.Result.Source] {
			f.Result.Outcome = AnnotationsChanged
			t.findings[key] = f
		}
	}
}

// Findings returns the first of what was found, in the order of the etcd keys.
func (t *Tally) Findings() []Finding {
	all := make([]Finding, 0, len(t.findings))
	for _, f := range t.findings {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// Undecryptable is how many values no API server can decrypt.
func (t *Tally) Undecryptable() (n int64) {
	for outcome, values := range t.Outcomes {
		if outcome.Undecryptable() {
			n += values
		}
	}
	return n
}
