package verify

import (
	"cmp"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/record"
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

	findings map[place]Finding
	// sources are the values whose DEK source did not open, which Settle may know more of.
	sources map[ID]map[Outcome]int64
}

// place is one version of a key; 0 stands for a revision that is not known.
type place struct {
	key      string
	revision int64
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
		findings: map[place]Finding{}, sources: map[ID]map[Outcome]int64{},
	}
}

// Add counts the result of a record. What is retracted is taken back: it was added
// with the same result. Deletions have no value to count.
func (t *Tally) Add(rec record.Record, r Result) {
	switch at := (place{string(rec.Key), rec.ModRevision}); {
	case rec.Tombstone:
	case rec.Retracted:
		t.count(r, -1)
		delete(t.findings, at)
	default:
		t.count(r, 1)
		if (r.Outcome.Undecryptable() || r.Identity == Differs) && len(t.findings) < MaxFindings {
			t.findings[at] = Finding{Key: at.key, Revision: at.revision, Result: r}
		}
	}
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
	for at, f := range t.findings {
		if known[f.Result.Source] {
			f.Result.Outcome = AnnotationsChanged
			t.findings[at] = f
		}
	}
}

// Findings returns the first of what was found, in the order of the etcd keys and
// revisions.
func (t *Tally) Findings() []Finding {
	all := make([]Finding, 0, len(t.findings))
	for _, f := range t.findings {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Revision, b.Revision))
	})
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
