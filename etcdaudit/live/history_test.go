package live_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/testkit"
)

// told is what a history gives: how often each value is given, by key, revision and version.
func told(t *testing.T, h record.Source) (map[string]int, error) {
	t.Helper()
	all := map[string]int{}
	err := h.Read(t.Context(), func(records []record.Record) error {
		for _, rec := range records {
			if rec.Origin.Layer != record.History {
				t.Errorf("%s is of layer %s", rec.Key, rec.Origin.Layer)
			}
			all[fmt.Sprintf("%s=%.20s at %d, version %d", rec.Key, rec.Value, rec.ModRevision, rec.Version)]++
		}
		return nil
	})
	return all, err
}

func TestTheHistoryOfARunningEtcdIsWhatWasReplaced(t *testing.T) {
	e := startEtcd(t)
	client := e.Client()
	want := map[string]int{}
	live := map[string]string{} // as told has it
	write := func(key, value string) {
		revision := testkit.Must(client.Put(t.Context(), key, value))(t).Header.Revision
		if was, ok := live[key]; ok {
			want[was]++
		}
		kv := testkit.Must(e.Get(t.Context(), key, 0))(t)
		live[key] = fmt.Sprintf("%s=%.20s at %d, version %d", key, value, revision, kv.Version)
	}
	remove := func(key string) {
		testkit.Must(client.Delete(t.Context(), key))(t)
		want[live[key]]++
		delete(live, key)
	}
	s := connect(t, configOf(e))
	compare := func(when string) {
		t.Helper()
		h := pin(t, s, "/registry").History()
		got, err := told(t, h)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", when, err, diff)
		}
		if scope := h.Scopes()[0]; scope.Layer != record.History || scope.Revision == 0 || !strings.HasPrefix(scope.ID(), "history:"+scope.ClusterID+":") {
			t.Errorf("%s: %+v", when, scope)
		}
	}
	write("/registry/secrets/d/once", "1")
	compare("before anything was replaced")
	for i := range 5 {
		write("/registry/secrets/d/a", fmt.Sprint("a", i))
	}
	write("/registry/secrets/d/b", strings.Repeat("large", 300_000))
	remove("/registry/secrets/d/b")
	write("/registry/secrets/d/b", "again")
	testkit.Must(client.Put(t.Context(), "/elsewhere/a", "1"))(t)
	testkit.Must(client.Put(t.Context(), "/elsewhere/a", "2"))(t)
	compare("before a compaction")

	now := testkit.Must(client.Get(t.Context(), "/"))(t).Header.Revision
	testkit.Must(client.Compact(t.Context(), now, clientv3.WithCompactPhysical()))(t)
	want = map[string]int{}
	compare("after one")
	write("/registry/secrets/d/a", "later")
	remove("/registry/secrets/d/once")
	for i := range 1_500 { // more revisions than etcd sends at once
		write(fmt.Sprint("/registry/secrets/d/", i%7), fmt.Sprint(i))
	}
	compare("of what was replaced since")

	// What is replaced after the revision of the snapshot was live at it.
	snap := pin(t, s, "/registry")
	before := len(want)
	write("/registry/secrets/d/a", "latest")
	if got, err := told(t, snap.History()); err != nil || len(got) != before {
		t.Errorf("%d values at the revision of the snapshot, want %d: %v", len(got), before, err)
	}
}

func TestAHistoryThatIsCompactedWhileItIsReadIsReadAgain(t *testing.T) {
	e := startEtcd(t)
	client := e.Client()
	const writes = 3_000
	for i := range writes {
		testkit.Must(client.Put(t.Context(), fmt.Sprint("/registry/secrets/d/", i%10), strings.Repeat("x", 2_000)))(t)
	}
	s := connect(t, configOf(e))
	h := pin(t, s, "/registry").History()
	// etcd may be ahead of its compaction, or not.
	given := 0
	err := h.Read(t.Context(), func(records []record.Record) error {
		if given == 0 {
			now := testkit.Must(client.Get(t.Context(), "/"))(t).Header.Revision
			testkit.Must(client.Compact(t.Context(), now))(t)
		}
		given += len(records)
		return nil
	})
	if given == 0 || !errors.Is(err, record.ErrRepeat) && (err != nil || given != writes-10) {
		t.Errorf("%d values of %d, %v", given, writes-10, err)
	}
	if got, err := told(t, h); err != nil || len(got) != 0 {
		t.Errorf("%d values, %v", len(got), err)
	}

	testkit.Must(client.Put(t.Context(), "/registry/secrets/d/1", "later"))(t)
	h = pin(t, s, "/registry").History()
	stop := errors.New("enough")
	if err := h.Read(t.Context(), func([]record.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of what takes the records is %v", err)
	}
}
