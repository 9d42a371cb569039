package timeline_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/test/testkit"
)

// write is one write of a history, and when it was really made, in seconds.
type write struct {
	at                        float64
	key, value                string
	plain, deleted            bool
	revision, create, version int64
	index                     uint64
}

// world is an etcd with API servers whose clocks differ, and what remained of its history.
type world struct {
	chance *rand.Rand
	skew   float64 // of each clock, at most
	now    float64
	clocks []float64
	writes []write
	index  uint64
	live   map[string]write
	made   map[string]int64 // creationTimestamp, by key
	view   float64          // when the last write was made that the database has
}

func newWorld(seed uint64, skew float64) *world {
	w := &world{chance: rand.New(rand.NewPCG(seed, 1)), skew: skew, now: 1_700_000_000, live: map[string]write{}, made: map[string]int64{}}
	for range 3 {
		w.clocks = append(w.clocks, w.anyClock())
	}
	return w
}

func (w *world) anyClock() float64 { return (2*w.chance.Float64() - 1) * w.skew }

// stamp is the time that an API server gives to a write: before it is made.
func (w *world) stamp() int64 {
	return int64(math.Floor(w.now - w.chance.Float64()*59 + w.clocks[w.chance.IntN(len(w.clocks))]))
}

func text(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }

func (w *world) put(key string, plain bool) {
	before, exists := w.live[key]
	one := write{key: key, plain: plain, create: before.create, version: before.version + 1}
	if !exists {
		one.create, one.version = w.revision(), 1
		w.made[key] = w.stamp()
	}
	one.value = fmt.Sprintf("k8s:enc:kms:v2:p:%d", w.chance.Uint64())
	if plain {
		fields := ""
		if w.chance.IntN(2) == 0 {
			fields = fmt.Sprintf(`,"managedFields":[{"manager":"m","time":%q}]`, text(w.stamp()))
		}
		one.value = fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":%q,"namespace":"n","creationTimestamp":%q%s},"data":{"p":"%d"}}`, key, text(w.made[key]), fields, w.chance.Uint64())
	}
	w.do(one)
}

func (w *world) remove(key string) {
	if _, ok := w.live[key]; ok {
		w.do(write{key: key, deleted: true})
	}
}

func (w *world) lease(t *testing.T) {
	var b bytes.Buffer
	l := &coordinationv1.Lease{TypeMeta: metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}, Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: time.Unix(w.stamp(), 0)}}}
	testkit.Check(t, protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(l, &b))
	w.do(write{key: "/registry/leases/kube-system/apiserver-x", value: b.String()})
}

func (w *world) revision() int64 { return int64(len(w.writes)) + 2 }

func (w *world) do(one write) {
	one.at, one.revision = w.now, w.revision()
	w.index += 1 + w.chance.Uint64N(3)
	one.index = w.index
	w.writes = append(w.writes, one)
	if w.live[one.key] = one; one.deleted {
		delete(w.live, one.key)
	}
	w.now += w.chance.ExpFloat64() * 400
}

func secretKey(i int) string { return fmt.Sprintf("s%d", i) }

// span is a time in which a key was readable; to is infinite where it still is.
type span struct{ from, to float64 }

func (w *world) truth(key string) (all []span) {
	open := false
	for _, one := range w.writes {
		switch {
		case one.key != key:
		case one.plain && !open:
			all, open = append(all, span{one.at, math.Inf(1)}), true
		case !one.plain && open:
			all[len(all)-1].to, open = one.at, false
		}
	}
	return all
}

// records are what a layer shows.
func (one write) record(layer record.Layer) record.Record {
	r := record.Record{Key: []byte(one.key), Value: []byte(one.value), Tombstone: one.deleted, Origin: record.Origin{Layer: layer}}
	if one.key[0] != '/' {
		r.Key = []byte("/registry/secrets/n/" + one.key)
	}
	if layer == record.WAL {
		r.Origin.File, r.Origin.Index = "w", one.index
		return r
	}
	r.Origin.File, r.ModRevision, r.CreateRevision, r.Version = "db", one.revision, one.create, one.version
	return r
}

// read gives the collector what remained, and returns which writes were seen in plaintext.
func (w *world) read(t *testing.T, c *timeline.Collector) (seen []write) {
	chance, n := w.chance, len(w.writes)
	places := map[record.Layer]int{}
	for _, layer := range []record.Layer{record.Live, record.History, record.FreePages, record.WAL} {
		places[layer] = testkit.Must(c.Place(timeline.Place{Layer: layer, Prefix: "/registry/"}))(t)
	}
	add := func(one write, r record.Record) {
		testkit.Check(t, c.Add(places[r.Origin.Layer], r))
		if one.plain {
			seen = append(seen, one)
		}
	}
	// etcd writes to its log first: what a database has may be older.
	stored := n
	if chance.IntN(2) == 0 {
		stored -= chance.IntN(min(n, 5))
	}
	w.view, w.live = w.writes[stored-1].at, map[string]write{}
	for _, one := range w.writes[:stored] {
		if w.live[one.key] = one; one.deleted {
			delete(w.live, one.key)
		}
	}
	compacted, logged, lost := chance.IntN(stored), chance.IntN(n), chance.Float64()
	withLog, withDB := chance.IntN(3) > 0, chance.IntN(4) > 0
	for i, one := range w.writes {
		if withLog && i >= logged && !one.deleted {
			add(one, one.record(record.WAL))
		}
		if !withDB || i >= stored {
			continue
		}
		switch now := w.live[one.key]; {
		case now.revision == one.revision:
			add(one, one.record(record.Live))
		case i >= compacted:
			add(one, one.record(record.History))
		}
		if chance.Float64() > lost {
			r := one.record(record.FreePages)
			if chance.IntN(4) == 0 && !one.deleted { // its head is overwritten
				r.ModRevision, r.CreateRevision, r.Version = 0, 0, 0
			}
			if n := len("k8s:enc:"); chance.IntN(4) == 0 && !one.deleted { // its page ended
				r.Value = r.Value[:n+chance.IntN(len(r.Value)-n)]
			}
			add(one, r)
		}
	}
	input := func(name string, at float64) []record.Input {
		return []record.Input{{Name: name, Bytes: 1, Modified: time.UnixMicro(int64((at + w.anyClock()) * 1e6))}}
	}
	if withDB {
		db := input("db", w.view)
		for _, layer := range []record.Layer{record.Live, record.History, record.FreePages} {
			c.Read(places[layer], w.writes[stored-1].revision, db, time.Now())
		}
	}
	if withLog {
		c.Read(places[record.WAL], 0, input("w", w.writes[n-1].at), time.Now())
	}
	return seen
}

func contains(b timeline.Bounds, at float64) bool {
	seconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
	return (b.NotBefore.Source == "" || seconds(b.NotBefore.Time) <= at) && (b.NotAfter.Source == "" || at <= seconds(b.NotAfter.Time))
}

// Whatever remained of a history, each bound contains the truth.
func TestEveryBoundContainsTheTruth(t *testing.T) {
	bounds, closed := 0, 0
	for seed := range uint64(200) {
		w := newWorld(seed, 20)
		for range 20 + w.chance.IntN(150) {
			key := secretKey(w.chance.IntN(4))
			switch w.chance.IntN(10) {
			case 0:
				w.remove(key)
			case 1, 2:
				w.lease(t)
			case 3, 4, 5:
				w.put(key, false)
			default:
				w.put(key, true)
			}
		}
		c := timeline.New(timeline.Options{Skew: 20 * time.Second, Memory: 1 << 20, Now: time.Unix(int64(w.now)+3600, 0)})
		seen := w.read(t, c)
		got := testkit.Must(c.Timelines())(t)
		testkit.Check(t, c.Close())
		if got.Disagreement != 0 {
			t.Errorf("seed %d: clocks within the allowance disagree by %v", seed, got.Disagreement)
		}
		for _, s := range got.Secrets {
			truth := w.truth(s.Name)
			for _, in := range s.Readable {
				ok := slices.ContainsFunc(truth, func(a span) bool {
					return contains(in.From, a.from) && slices.ContainsFunc(truth, func(b span) bool {
						return b.from >= a.from && (in.Still && b.to > w.view || !in.Still && contains(in.Until, b.to))
					})
				})
				if !ok {
					t.Fatalf("seed %d: %s was readable in %v, not in %+v", seed, s.Name, truth, in)
				}
				bounds++
				if in.From.NotBefore.Source != "" && in.From.NotAfter.Source != "" && (in.Still || in.Until.NotAfter.Source != "") {
					closed++
				}
			}
		}
		for _, one := range seen {
			i := slices.IndexFunc(got.Secrets, func(s timeline.Secret) bool { return s.Name == one.key })
			if i < 0 {
				t.Fatalf("seed %d: %s was seen in plaintext, and has no timeline", seed, one.key)
			}
			if !slices.ContainsFunc(got.Secrets[i].Readable, func(in timeline.Interval) bool {
				return contains(timeline.Bounds{NotBefore: in.From.NotBefore, NotAfter: in.Until.NotAfter}, one.at)
			}) {
				t.Fatalf("seed %d: the write of %s at %f is in no interval of %+v", seed, one.key, one.at, got.Secrets[i].Readable)
			}
		}
	}
	// Bounds of nothing would be true as well.
	t.Logf("%d of %d intervals have all their bounds", closed, bounds)
	if closed < bounds/2 {
		t.Errorf("%d of %d intervals have all their bounds", closed, bounds)
	}
}
