package live_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// changed is the key whose value is changed in one member's file.
const changed = "/registry/secrets/default/s0000150"

// threeMembers is a cluster with 300 Secrets.
func threeMembers(t *testing.T) *cluster.Etcd {
	t.Helper()
	e, err := clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, e, "/registry/secrets/default/s", 300, "before")
	return e
}

func compared(t *testing.T, e *cluster.Etcd, how live.Comparing) *record.Comparison {
	t.Helper()
	c := configOf(e)
	c.Members = how
	comparison := pin(t, connect(t, c), "/registry").Compare(t.Context())
	if comparison == nil {
		t.Fatal("nothing was compared")
	}
	return comparison
}

// tamper changes one value in a stopped member's file, as somebody with the disk could.
func tamper(t *testing.T, e *cluster.Etcd, member int) {
	t.Helper()
	m := e.Member(member)
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(m.DataDir+"/member/snap/db", 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	if err := db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("key"))
		for cursor, k, v := begin(b); k != nil; k, v = cursor.Next() {
			if strings.Contains(string(v), changed) {
				found = true
				return b.Put(slices.Clone(k), []byte(strings.Replace(string(v), "before", "forged", 1)))
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Fatal("the value is not in the member's file")
	}
	if err := m.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func begin(b *bolt.Bucket) (*bolt.Cursor, []byte, []byte) {
	c := b.Cursor()
	k, v := c.First()
	return c, k, v
}

func TestAValueThatWasChangedInOneMembersFileIsFound(t *testing.T) {
	e := threeMembers(t)
	for _, how := range []live.Comparing{live.ByHash, live.ByReading} {
		if c := compared(t, e, how); c.Why != "" || c.Differ || len(c.Members) != 3 || c.ByReading != (how == live.ByReading) {
			t.Fatalf("before, by %s: %+v", how, c)
		}
	}
	tamper(t, e, 1)
	for _, how := range []live.Comparing{live.ByHash, live.ByReading} {
		c := compared(t, e, how)
		if c.Why != "" || !c.Differ || c.Differing != 1 || !slices.Equal(c.Keys, []string{changed}) {
			t.Errorf("by %s: %+v", how, c)
		}
		for _, m := range c.Members {
			if m.NotCompared != "" {
				t.Errorf("%s is not compared: %s", m.Endpoint, m.NotCompared)
			}
		}
	}
}

func TestAMemberThatIsDownIsNotComparedAndNotDifferent(t *testing.T) {
	e := threeMembers(t)
	if err := e.Member(2).Kill(); err != nil {
		t.Fatal(err)
	}
	for _, how := range []live.Comparing{live.ByHash, live.ByReading} {
		c := compared(t, e, how)
		out := 0
		for _, m := range c.Members {
			if m.NotCompared != "" {
				out++
			}
		}
		if c.Why != "" || c.Differ || out != 1 {
			t.Errorf("by %s: %+v", how, c)
		}
	}
}

// A member is told by its answer: an address may be that of another one.
func TestAMemberThatAnotherOneAnswersForIsNotCompared(t *testing.T) {
	e := threeMembers(t)
	for i := range e.Members() {
		m := e.Member(i)
		m.SetFlags("--advertise-client-urls", e.Endpoints()[0])
		if err := errors.Join(m.Stop(t.Context()), m.Restart(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for _, how := range []live.Comparing{live.ByHash, live.ByReading} {
		config := configOf(e)
		config.Endpoints, config.Members = e.Endpoints()[:1], how
		c := pin(t, connect(t, config), "/registry").Compare(t.Context())
		out := 0
		for _, m := range c.Members {
			if strings.HasPrefix(m.NotCompared, "its address is answered by member ") {
				out++
			}
		}
		if c.Why != "" || c.Differ || out != 2 {
			t.Errorf("by %s, %d of 3 are answered by another: %+v", how, out, c)
		}
	}
}
