package verify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/verify"
)

func TestATallyCountsAndListsWhatIsWrong(t *testing.T) {
	p := newPlugin(t, 1, "k1", map[string][]byte{"a.example": []byte("1")})
	server := p.apiServer(t, true)
	value := func(name string) []byte { return write(t, server, keyOf("default", name), secret(t, "default", name)) }
	changed := change(t, value("e"), func(o *kmstypes.EncryptedObject) { o.Annotations["a.example"] = []byte("2") })
	damaged := change(t, value("d"), func(o *kmstypes.EncryptedObject) { o.EncryptedData[len(o.EncryptedData)-1] ^= 1 })
	o, sources := opener(t, p)
	tally := verify.NewTally()
	add := func(name string, revision int64, stored []byte) verify.Result {
		r := open(t, o, keyOf("default", name), stored)
		tally.Add(record.Record{Key: []byte(keyOf("default", name)), ModRevision: revision}, r)
		return r
	}
	add("e", 5, changed)
	add("d", 4, damaged)
	add("c", 3, value("b")) // moved
	add("b", 2, value("b"))
	add("a", 1, []byte("k8s:enc:kms:v1:p:\x00\x01x"+strings.Repeat("x", 40)))
	gone := add("z", 6, damaged)
	tally.Add(record.Record{Key: []byte(keyOf("default", "z")), ModRevision: 6, Retracted: true}, gone)
	tally.Add(record.Record{Key: []byte(keyOf("default", "y")), Tombstone: true}, verify.Result{Outcome: verify.NoObject})

	if tally.Values != 5 || tally.Undecryptable() != 3 {
		t.Errorf("%d values, %d undecryptable", tally.Values, tally.Undecryptable())
	}
	tally.Settle(sources.Changed(), nil)
	want := map[verify.Outcome]int64{verify.NotEvaluated: 1, verify.Opened: 1, verify.Moved: 1, verify.Damaged: 1, verify.AnnotationsChanged: 1}
	got := maps.Clone(tally.Outcomes)
	maps.DeleteFunc(got, func(_ verify.Outcome, n int64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if tally.Identities[verify.Differs] != 1 || tally.Identities[verify.Same] != 1 || len(tally.Unevaluated) != 1 {
		t.Errorf("%v, %v", tally.Identities, tally.Unevaluated)
	}
	findings := ""
	for _, f := range tally.Findings() {
		findings += fmt.Sprintf("%s at %d: %v; ", f.Key, f.Revision, f.Result.Outcome)
	}
	if want := "/registry/secrets/default/c at 3: moved; /registry/secrets/default/d at 4: damaged; /registry/secrets/default/e at 5: annotations changed; "; findings != want {
		t.Errorf("%s, want %s", findings, want)
	}
}

func TestATallyIsBounded(t *testing.T) {
	tally := verify.NewTally()
	for i := range 2 * verify.MaxFindings {
		rec := record.Record{Key: []byte("a"), ModRevision: int64(i)}
		tally.Add(rec, verify.Result{Outcome: verify.Damaged})
		tally.Add(rec, verify.Result{Why: fmt.Sprint(i)})
	}
	if len(tally.Findings()) != verify.MaxFindings || tally.Undecryptable() != 2*verify.MaxFindings || len(tally.Unevaluated) > 1001 || tally.Unevaluated[""] != 2*verify.MaxFindings-1000 {
		t.Errorf("%d listed of %d, %d reasons", len(tally.Findings()), tally.Undecryptable(), len(tally.Unevaluated))
	}
}

// seeds opens every other source to a seed of its own, and says something else of
// each of the others.
type seeds struct{ refuse bool }

func (s *seeds) Unwrap(_ context.Context, source verify.Source) ([]byte, error) {
	if s.refuse = !s.refuse; s.refuse {
		return nil, errors.New("refused: " + strings.Repeat(string(source.DEKSource), 10))
	}
	seed := make([]byte, 32)
	_, _ = rand.Read(seed)
	return seed, nil
}

// A store can hold a source for each value.
func TestASourceTakesLittleMemory(t *testing.T) {
	const n, most = 30_000, 256
	p := newPlugin(t, 1, "k1", nil)
	etcdKey := keyOf("default", "db")
	stored := write(t, p.apiServer(t, true), etcdKey, secret(t, "default", "db"))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	sources := verify.NewSources(&seeds{})
	o := verify.New(verify.Config{Sources: sources})
	for i := range n {
		o.Open(t.Context(), []byte(etcdKey), change(t, stored, func(o *kmstypes.EncryptedObject) { o.EncryptedDEKSource = fmt.Appendf(nil, "source %d", i) }))
	}
	o.Clear()
	each := (heap() - before) / n
	if sources.Len() != n || each > most || each < 32 {
		t.Errorf("%d sources take %d bytes each, want at most %d", sources.Len(), each, most)
	}
	t.Logf("%d bytes for each source", each)
	runtime.KeepAlive(sources)
}
