package live

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func write(key string, create, mod int64, before *mvccpb.KeyValue) change {
	return change{now: &mvccpb.KeyValue{Key: []byte(key), CreateRevision: create, ModRevision: mod}, before: before}
}

func TestOnlyWritesAfterTheRevisionOfTheirKeysPartCount(t *testing.T) {
	old := func(mod int64) *mvccpb.KeyValue { return &mvccpb.KeyValue{ModRevision: mod} }
	// a was read at revision 10, z at 20; the reading ended at 30.
	readAt := func(key []byte) int64 {
		if key[0] < 'm' {
			return 10
		}
		return 20
	}
	for name, tt := range map[string]struct {
		all     []change
		was, is int64 // mod_revision; 0 for nothing, -1 for no change
		lost    bool
	}{
		"written":                  {[]change{write("a", 5, 11, old(5))}, 5, 11, false},
		"written twice":            {[]change{write("a", 5, 11, old(5)), write("a", 5, 12, old(11))}, 5, 12, false},
		"created":                  {[]change{write("a", 11, 11, nil)}, 0, 11, false},
		"deleted":                  {[]change{write("a", 0, 11, old(5))}, 5, 0, false},
		"created and deleted":      {[]change{write("a", 11, 11, nil), write("a", 0, 12, old(11))}, 0, 0, false},
		"deleted and created":      {[]change{write("a", 0, 11, old(5)), write("a", 12, 12, nil)}, 5, 12, false},
		"after the end":            {[]change{write("a", 5, 31, old(5))}, -1, -1, false},
		"at the end":               {[]change{write("a", 5, 30, old(5))}, 5, 30, false},
		"before its part was read": {[]change{write("z", 5, 20, old(5))}, -1, -1, false},
		"after its part was read":  {[]change{write("z", 5, 20, old(5)), write("z", 5, 21, old(20))}, 20, 21, false},
		"without what was before":  {[]change{write("a", 5, 11, nil)}, 0, 0, true},
		"deleted, without that":    {[]change{write("a", 0, 11, nil)}, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			keys, why := since(tt.all, 30, readAt)
			if tt.lost != (why != "") {
				t.Fatalf("lost: %q", why)
			}
			if tt.lost {
				return
			}
			r, changed := keys[string(tt.all[0].now.Key)]
			if changed == (tt.was < 0) {
				t.Fatalf("changed: %v", changed)
			}
			if changed && (r.was.GetModRevision() != tt.was || r.is.GetModRevision() != tt.is) {
				t.Errorf("%d became %d", r.was.GetModRevision(), r.is.GetModRevision())
			}
		})
	}
}

// A write of next to nothing takes memory as well.
func TestManySmallWritesAreNotAllKept(t *testing.T) {
	ended := false
	c := &changes{cancel: func() { ended = true }}
	one := &clientv3.Event{Kv: &mvccpb.KeyValue{}}
	for range maxChanges / perWrite / 100 {
		c.add(clientv3.WatchResponse{Events: slices.Repeat([]*clientv3.Event{one}, 100)})
	}
	if n := len(c.all); ended || n < maxChanges/perWrite-100 {
		t.Fatalf("%d writes are too many: %s", n, c.lost)
	}
	c.add(clientv3.WatchResponse{Events: slices.Repeat([]*clientv3.Event{one}, 100)})
	if !ended || c.lost == "" || c.all != nil {
		t.Errorf("%d writes are kept", len(c.all))
	}
}

func TestAWriteWithoutAKeyIsNoWrite(t *testing.T) {
	c := &changes{}
	if c.add(clientv3.WatchResponse{Events: []*clientv3.Event{{}}}); c.lost == "" {
		t.Error("it is kept")
	}
}

// etcd's client takes no more requests while it looks for a server to go on with a watch.
func TestHowFarAWatchHasComeIsNotAwaitedForEver(t *testing.T) {
	all := clustertest.New(t, components.Etcd)
	e, err := all.StartEtcd(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := all.StartProxy(e.Endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	files := e.ClientFiles()
	s, err := Connect(t.Context(), Config{Endpoints: []string{proxy.URL}, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, RequestTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	snap, err := s.Pin(t.Context(), "/registry")
	if err != nil {
		t.Fatal(err)
	}
	c := snap.follow(t.Context())
	defer c.stop()
	proxy.Cut()
	answer := make(chan string, 1)
	go func() {
		_, why := c.until(t.Context(), snap.Revision+1, 3*time.Second)
		answer <- why
	}()
	select {
	case why := <-answer:
		if !strings.Contains(why, "has not come to revision") {
			t.Error(why)
		}
	case <-time.After(2 * time.Minute):
		t.Error("it is")
	}
}
