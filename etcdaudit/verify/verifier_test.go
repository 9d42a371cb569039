package verify_test

import (
	"fmt"
	"testing"

	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/verify"
)

func TestRecordsAreOpenedInTheirOrder(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	servers := []func(key string, plaintext []byte) []byte{}
	for range 5 {
		w := p.apiServer(t, true)
		servers = append(servers, func(key string, plaintext []byte) []byte { return write(t, w, key, plaintext) })
	}
	var records []record.Record
	for i := range 1000 {
		name := fmt.Sprintf("db-%d", i)
		at := keyOf("default", name)
		stored := servers[i%len(servers)](at, secret(t, "default", name))
		if i%7 == 0 {
			stored = change(t, stored, func(o *kmstypes.EncryptedObject) { o.EncryptedData[len(o.EncryptedData)-1] ^= 1 })
		}
		if i%11 == 0 {
			at = keyOf("prod", name)
		}
		rec := record.Record{Key: []byte(at), Value: stored, ModRevision: int64(i)}
		if parsed := storedvalue.Parse(stored); i%3 == 0 {
			rec.Parsed = &parsed
		}
		records = append(records, rec)
	}
	o, _ := opener(t, p)
	sources := verify.NewSources(p)
	defer sources.Clear()
	v := verify.NewVerifier(verify.Config{Sources: sources})
	defer v.Clear()
	seen := map[verify.Outcome]int{}
	for _, n := range []int{0, 1, 31, 32, 33, 1000} {
		results := v.Open(t.Context(), records[:n])
		if len(results) != n {
			t.Fatalf("%d results for %d records", len(results), n)
		}
		for i, r := range results {
			if want := o.Record(t.Context(), records[i]); r != want {
				t.Errorf("%d of %d: %+v, want %+v", i, n, r, want)
			}
			seen[r.Outcome]++
		}
	}
	if seen[verify.Opened] < 100 || seen[verify.Moved] < 10 || seen[verify.Damaged] < 10 {
		t.Errorf("%v: the test proves little", seen)
	}
}

// What a reader of files finds is not always a whole value under its own key.
func TestWhatARecordIsDecidesWhatIsSaid(t *testing.T) {
	o, _ := opener(t, nil)
	other := secret(t, "default", "db2")
	for what, tc := range map[string]struct {
		record   record.Record
		outcome  verify.Outcome
		identity verify.Identity
	}{
		"a value":                    {record.Record{Value: other}, verify.Opened, verify.Differs},
		"the beginning of one":       {record.Record{Value: other, Head: true}, verify.NotEvaluated, verify.Unsaid},
		"one within another":         {record.Record{Value: other, Within: true}, verify.NotEvaluated, verify.Unsaid},
		"one without a key":          {record.Record{Value: other, Named: true}, verify.Opened, verify.Unsaid},
		"a deletion":                 {record.Record{Tombstone: true}, verify.NotEvaluated, verify.Unsaid},
		"one that was changed since": {record.Record{Value: other, Retracted: true}, verify.Opened, verify.Differs},
	} {
		tc.record.Key = []byte(keyOf("default", "db"))
		r := o.Record(t.Context(), tc.record)
		if r.Outcome != tc.outcome || r.Identity != tc.identity || r.Identity != verify.Differs && r.Holds != (verify.Object{}) {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
