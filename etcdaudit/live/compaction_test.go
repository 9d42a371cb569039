package live_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/cluster"
)

// store is what a reading has given so far.
type store map[string]record.Record

// add refuses what a sound reading does not give: a key twice, or back what was not there.
func (s store) add(page []record.Record) error {
	for _, rec := range page {
		key := string(rec.Key)
		have, known := s[key]
		switch {
		case !rec.Retracted && known:
			return fmt.Errorf("%s is given twice", key)
		case !rec.Retracted:
			s[key] = record.Record{Value: bytes.Clone(rec.Value), ModRevision: rec.ModRevision}
		case !known || have.ModRevision != rec.ModRevision || !bytes.Equal(have.Value, rec.Value):
			return fmt.Errorf("%s of revision %d is taken back, and was not given so", key, rec.ModRevision)
		default:
			delete(s, key)
		}
	}
	return nil
}

// equals compares with what etcd holds at the snapshot's revision.
func (s store) equals(t *testing.T, e *cluster.Etcd, snap *live.Snapshot) {
	t.Helper()
	keys := 0
	now := map[string]*mvccpb.KeyValue{}
	if err := e.Walk(t.Context(), snap.Prefix, func(kv *mvccpb.KeyValue) error {
		if kv.ModRevision <= snap.Revision {
			now[string(kv.Key)] = kv
		}
		keys++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(s) != keys || int64(keys) != snap.Keys {
		t.Errorf("%d keys, etcd has %d, %d are in the scope", len(s), keys, snap.Keys)
	}
	for key, rec := range s {
		if kv := now[key]; kv == nil || kv.ModRevision != rec.ModRevision || !bytes.Equal(kv.Value, rec.Value) {
			t.Errorf("%s is not what etcd holds", key)
		}
	}
}

// value is so large that etcd has not sent all keys when the first are looked at.
var value = strings.Repeat("v", 1<<10)

const many = 20_000

func name(i int) string { return fmt.Sprintf("/registry/secrets/default/s%07d", i) }

// compact compacts everything but the newest revision.
func compact(t *testing.T, e *cluster.Etcd) error {
	t.Helper()
	put(t, e, "elsewhere", "a revision that is newer than all under the prefix")
	now, err := e.Client().Get(t.Context(), "elsewhere")
	if err != nil {
		return err
	}
	_, err = e.Client().Compact(t.Context(), now.Header.Revision)
	return err
}

func TestAfterACompactionInMidReadAllIsAsItWasAtTheLastRevision(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", many, value)
	snap := pin(t, connect(t, configOf(e)), "/registry")
	first := snap.Revision
	got, pages, compacted := store{}, 0, 0
	if err := snap.Read(t.Context(), func(page []record.Record) error {
		if err := got.add(page); err != nil {
			return err
		}
		if pages++; compacted >= 2 || pages%4 != 1 {
			return nil
		}
		compacted++
		// Behind the cursor and before it: changed twice, deleted, deleted and made again, new.
		for _, from := range []int{0, many - 100} {
			put(t, e, name(from), "once")
			put(t, e, name(from), fmt.Sprint("twice ", compacted))
			for _, i := range []int{from + 1, from + 2} {
				if _, err := e.Client().Delete(t.Context(), name(i)); err != nil {
					return err
				}
			}
			put(t, e, name(from+2), "again")
			put(t, e, name(from+3)+fmt.Sprint("-new", compacted), "new")
		}
		return compact(t, e)
	}); err != nil {
		t.Fatal(err)
	}
	if compacted == 0 || len(snap.Parts) < 2 || snap.Revision == first || snap.Inexact != "" {
		t.Fatalf("%d compactions, revision %d after %d: %+v", compacted, snap.Revision, first, snap.Parts)
	}
	got.equals(t, e, snap)
}

func TestWhereChangesWereLostTheReadingIsRepeatedAndThenNotExact(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", many, value)
	snap := pin(t, connect(t, configOf(e)), "/registry")
	large := strings.Repeat("v", 1<<20)
	for n := 1; n <= 3; n++ {
		got, pages := store{}, 0
		err := snap.Read(t.Context(), func(page []record.Record) error {
			if err := got.add(page); err != nil {
				return err
			}
			if pages++; pages != 1 {
				return nil
			}
			for range 40 { // more than is kept
				put(t, e, name(0), large)
			}
			return compact(t, e)
		})
		switch {
		case n < 3 && !errors.Is(err, record.ErrRepeat):
			t.Fatalf("reading %d: %v", n, err)
		case n == 3 && (err != nil || !strings.Contains(snap.Inexact, "32 MiB") || len(snap.Parts) != 2 || snap.Revision != 0):
			t.Fatalf("%v: %+v", err, snap.Scope)
		}
	}
	if text := snap.String(); !strings.Contains(text, "not exact") || !strings.Contains(text, fmt.Sprint(snap.Parts[1].Revision)) {
		t.Error(text)
	}
}
