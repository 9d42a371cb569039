package live

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// A sound etcd gives none of these answers, so they are made up here.
func TestAnswersThatNoSoundEtcdGivesAreRefused(t *testing.T) {
	snap := &Snapshot{Scope: record.Scope{Prefix: "/registry/", Revision: 10}, clusterID: 1}
	kv := func(key string, mod int64) record.Record { return record.Record{Key: []byte(key), ModRevision: mod} }
	tests := []struct {
		name    string
		cluster uint64
		more    bool
		kvs     []record.Record
		want    string // empty if the page is sound
	}{
		{"a sound page", 1, true, []record.Record{kv("/registry/b", 10), kv("/registry/c", 1)}, ""},
		{"an empty last page", 1, false, nil, ""},
		{"another cluster", 2, false, nil, "different clusters"},
		{"an empty page with more to come", 1, true, nil, "empty page"},
		{"the last page again", 1, true, []record.Record{kv("/registry/a", 1)}, "comes after"},
		{"keys out of order", 1, false, []record.Record{kv("/registry/c", 1), kv("/registry/b", 1)}, "comes after"},
		{"a later revision", 1, false, []record.Record{kv("/registry/b", 11)}, "later revision"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reading{snap: snap, revision: 10, last: []byte("/registry/a")}
			err := r.check(&answer{header: true, clusterID: tt.cluster, records: tt.kvs, more: tt.more})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error about %q", err, tt.want)
			}
		})
	}
}

func TestAnAnswerOfAnotherMemberThanTheOneThatIsReadIsRefused(t *testing.T) {
	r := reading{snap: &Snapshot{Scope: record.Scope{Prefix: "/registry/"}, clusterID: 1, member: 2}}
	for member, refused := range map[uint64]bool{2: false, 3: true} {
		if err := r.check(&answer{header: true, clusterID: 1, memberID: member}); (err != nil) != refused {
			t.Errorf("member %d: %v", member, err)
		}
	}
}

func TestPagesAdaptToBytes(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	tests := []struct {
		name        string
		limit       int64
		keys, bytes int64
		want        int64
	}{
		{"grows no faster than fourfold", 16, 16, 16 * kib, 64},
		{"aims at the page's bytes", 1024, 1024, 4 * mib, 1024},
		{"shrinks at once when values are large", 8192, 32, 32 * mib, 4},
		{"never asks for nothing", 16, 1, 32 * mib, 1},
		{"never asks for more than the maximum", 8192, 8192, 8192, 10_000},
		{"an empty page says nothing", 16, 0, 0, 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pager{limit: tt.limit}
			if p.received(int(tt.keys), tt.bytes); p.limit != tt.want {
				t.Errorf("limit %d, want %d", p.limit, tt.want)
			}
		})
	}
	p := pager{limit: 10_000}
	p.refused()
	for range 10 {
		if p.received(int(p.limit), p.limit); p.limit != firstPage {
			t.Errorf("%d keys at once, where a large value is near", p.limit)
		}
	}
	p.careful = 1
	if p.received(int(p.limit), p.limit); p.limit <= firstPage {
		t.Error("small pages behind the large values")
	}
	p = pager{limit: 10_000}
	n := 0
	for p.refused() {
		n++
	}
	if p.limit != 1 || n > 8 {
		t.Errorf("limit %d after %d refusals", p.limit, n)
	}
}
