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

// maxKept bounds the bytes of the etcd keys that a Tally lists. An API server's have a few hundred
// bytes, and etcd takes more than a MiB.
const maxKept = 16 << 20

// Tally is what became of the values of one layer of one source: how many, and which
// are findings. It holds no byte of a value. It is not safe for concurrent use.
type Tally struct {
	// Values are all that were counted, and by what became of them. Unsaid are only those that
	// opened.
	Values     int64
	Outcomes   map[Outcome]int64
	Identities map[Identity]int64
	// Unevaluated are those of NotEvaluated, by why. Those of a reason beyond the
	// first thousand are under the empty one.
	Unevaluated map[string]int64
	// Defined are the kinds of custom resources, by path, that CustomResourceDefinitions name.
	Defined map[string]string

	findings map[place]Finding
	kept     int // bytes of etcd keys
	// sources are the values whose DEK source did not open, which Settle may know more of.
	sources map[ID]map[Outcome]int64
	// customs are the objects of resources whose kind is not known.
	customs map[Kind]*customs
}

// customs counts the objects of one kind under one path, and has the first of them.
type customs struct {
	values int64
	first  []place
}

// maxCustoms bounds the kinds that are told apart, and maxFirst the objects of each.
const (
	maxCustoms = 5000
	maxFirst   = 20
)

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
		Defined:  map[string]string{},
		findings: map[place]Finding{}, sources: map[ID]map[Outcome]int64{}, customs: map[Kind]*customs{},
	}
}

// Add counts the result of a record. What is retracted is taken back: it was added
// with the same result. Deletions have no value to count, what lies within another value is a
// part of that, and of what is not whole nothing can be said.
func (t *Tally) Add(rec record.Record, r Result) {
	switch {
	case rec.Tombstone, rec.Within, rec.Head:
	case rec.Retracted:
		t.count(r, -1)
		if r.finding() {
			t.forget(place{string(rec.Key), rec.ModRevision})
		}
		t.custom(rec, r.Custom, -1)
	default:
		t.count(r, 1)
		if r.finding() && len(t.findings) < MaxFindings {
			t.list(place{string(rec.Key), rec.ModRevision}, r)
		}
		t.custom(rec, r.Custom, 1)
		if r.Defines != (Kind{}) && len(t.Defined) < maxCustoms {
			t.Defined[r.Defines.Path] = r.Defines.Name
		}
	}
}

func (r Result) finding() bool { return r.Outcome.Undecryptable() || r.Identity == Differs }

// list keeps a finding where there is room for it. In a log revisions are not known: the last value
// of a key is listed.
func (t *Tally) list(at place, r Result) {
	t.forget(at)
	if t.keep(len(at.key) + len(r.From)) {
		t.findings[at] = Finding{Key: at.key, Revision: at.revision, Result: r}
	}
}

func (t *Tally) forget(at place) {
	if f, listed := t.findings[at]; listed {
		t.kept -= len(f.Key) + len(f.Result.From)
		delete(t.findings, at)
	}
}

// keep takes room for so many bytes, if there is as much left.
func (t *Tally) keep(bytes int) bool {
	if t.kept+bytes > maxKept {
		return false
	}
	t.kept += bytes
	return true
}

// custom counts an object of a resource whose kind may become known.
func (t *Tally) custom(rec record.Record, k Kind, n int64) {
	if k == (Kind{}) {
		return
	}
	c := t.customs[k]
	if c == nil {
		if len(t.customs) == maxCustoms {
			return
		}
		c = &customs{}
		t.customs[k] = c
	}
	c.values += n
	switch {
	case n < 0:
		before := len(c.first)
		c.first = slices.DeleteFunc(c.first, func(at place) bool { return at.key == string(rec.Key) && at.revision == rec.ModRevision })
		t.kept -= (before - len(c.first)) * len(rec.Key)
	case len(c.first) < maxFirst && t.keep(len(rec.Key)):
		c.first = append(c.first, place{string(rec.Key), rec.ModRevision})
	}
}

func (t *Tally) count(r Result, n int64) {
	t.Values += n
	t.Outcomes[r.Outcome] += n
	if r.Outcome == Opened || r.Identity != Unsaid {
		t.Identities[r.Identity] += n
	}
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
// changed (see Sources.Changed), and the kinds of resources that are not built in.
func (t *Tally) Settle(changed []ID, kinds map[string]string) {
	t.settleKinds(kinds)
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

func (t *Tally) settleKinds(kinds map[string]string) {
	for k, c := range t.customs {
		right, known := kinds[k.Path]
		if !known {
			continue
		}
		delete(t.customs, k)
		t.Identities[SameName] -= c.values
		if k.Name == right {
			t.Identities[Same] += c.values
			continue
		}
		t.Identities[Differs] += c.values
		for _, at := range c.first {
			f, found := t.findings[at]
			if !found {
				f = Finding{Key: at.key, Revision: at.revision, Result: Result{Outcome: Opened}}
			}
			f.Result.Identity, f.Result.Holds = Differs, Object{Kind: k.Name}
			t.findings[at] = f
		}
	}
}

// Kindless are the paths of resources whose kind is still not known after Settle.
func (t *Tally) Kindless() (paths []string) {
	for k, c := range t.customs {
		if c.values > 0 {
			paths = append(paths, k.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
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
