package offline_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/test/bench/atrest"
	"github.com/sealproof/sealproof/test/testkit"
)

// worn is a data directory in which some pages that are not in use have lost their beginning, and
// others name pages that are not theirs any more: it has runs of every kind.
func worn(t testing.TB) string {
	t.Helper()
	files := testkit.Must(atrest.Make(t.TempDir(), atrest.Options{Secrets: 1500, Rewritten: true, Large: 20}))(t)
	data := testkit.Must(os.ReadFile(files.Database))(t)
	for at := int64(0); at < int64(len(data)); at += 4096 {
		// Pages that hold plaintext of what was compacted or rewritten: the newest value of a key
		// is encrypted.
		page := data[at : at+4096]
		if !bytes.Contains(page, []byte("Opaque")) || bytes.Contains(page, []byte("k8s:enc:")) {
			continue
		}
		switch at / 4096 % 5 {
		case 0:
			clear(page[:700]) // and the beginning of its first value
		case 1:
			binary.LittleEndian.PutUint32(page[12:], 1) // another page continued it
		}
	}
	testkit.Check(t, os.WriteFile(files.Database, data, 0o600))
	return files.Dir
}

// everything is what a reading gives, in its order, as text.
func everything(t testing.TB, dir string) (all []string, remains []map[record.Layer]*record.Remains, scopes []record.Scope) {
	t.Helper()
	set := testkit.Must(offline.Open(t.Context(), []string{dir}, options()))(t)
	defer set.Close()
	for _, source := range set.Sources {
		testkit.Check(t, source.Read(t.Context(), func(records []record.Record) error {
			for _, r := range records {
				if r.Origin.Layer == record.Live && r.Parsed == nil {
					t.Fatalf("nothing is said of what the value of %s is", r.Key)
				}
				if r.Parsed != nil && !reflect.DeepEqual(*r.Parsed, storedvalue.Parse(r.Value)) {
					t.Fatalf("what the value of %s is, is that of another one", r.Key)
				}
				all = append(all, fmt.Sprintf("%s %d %x %+v", r.Key, r.ModRevision, sha256.Sum256(r.Value), r.Origin))
			}
			return nil
		}))
		remains = append(remains, source.(record.Leaver).Remains())
		scopes = append(scopes, source.Scopes()...)
	}
	return all, remains, scopes
}

func TestAReadingDoesNotDependOnTheProcessors(t *testing.T) {
	dir := worn(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	all, remains, scopes := everything(t, dir)
	if left := remains[0][record.FreePages]; len(all) < 5000 || left.Fragments < 10 || left.Ends == 0 {
		t.Fatalf("%d records and %d fragments, %d of them with an end, test too little", len(all), left.Fragments, left.Ends)
	}
	for _, n := range []int{2, 8} {
		runtime.GOMAXPROCS(n)
		again, remainsAgain, scopesAgain := everything(t, dir)
		if !slices.Equal(all, again) || !reflect.DeepEqual(remains, remainsAgain) || !reflect.DeepEqual(scopes, scopesAgain) {
			t.Errorf("with %d processors %d records are read, with one %d, or they differ", n, len(again), len(all))
		}
	}
}

func TestAReadingEndsWithItsContextOrAnErrorOfItsUser(t *testing.T) {
	dir := worn(t)
	before, enough := runtime.NumGoroutine(), errors.New("enough")
	all, _, _ := everything(t, dir)
	for _, source := range []int{0, 1} {
		for _, at := range []int{0, len(all) / 8, len(all) / 4, len(all) / 3} {
			for _, cancelled := range []bool{false, true} {
				set := testkit.Must(offline.Open(t.Context(), []string{dir}, options()))(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				seen := 0
				err := set.Sources[source].Read(ctx, func(records []record.Record) error {
					if seen += len(records); seen < at {
						return nil
					}
					if cancelled {
						cancel(enough)
						return nil
					}
					return enough
				})
				cancel(nil)
				if !errors.Is(err, enough) && !(cancelled && err == nil) {
					t.Errorf("source %d, after %d records, cancelled %t: %v", source, seen, cancelled, err)
				}
				testkit.Check(t, set.Close())
			}
		}
	}
	for runtime.NumGoroutine() > before { // one that is left hangs the test
		runtime.Gosched()
	}
}

// Behind a value that is found byte by byte the next key follows.
func TestAValueEndsWhereItsLengthSays(t *testing.T) {
	files := testkit.Must(atrest.Make(t.TempDir(), atrest.Options{Secrets: 200, Plaintext: true}))(t)
	data := testkit.Must(os.ReadFile(files.Database))(t)
	for at := 2 * 4096; at < len(data); at += 4096 {
		clear(data[at : at+16]) // no page has a header
	}
	testkit.Check(t, os.WriteFile(files.Database, data, 0o600))
	set := testkit.Must(offline.Open(t.Context(), []string{files.Database}, options()))(t)
	defer set.Close()
	values := 0
	testkit.Check(t, set.Sources[0].Read(t.Context(), func(records []record.Record) error {
		for _, r := range records {
			values++
			if bytes.Contains(r.Value, []byte("/registry/secrets/")) {
				t.Errorf("the value of %s, %d bytes, goes on behind its end", r.Key, len(r.Value))
			}
		}
		return nil
	}))
	if values < 200 {
		t.Errorf("%d values test too little", values)
	}
}
