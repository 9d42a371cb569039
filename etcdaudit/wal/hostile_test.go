package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/sealproof/sealproof/test/testkit"
)

// varied is a segment with all that etcd writes, in many frames. Each value is another one.
func varied() (s *segment, values []string) {
	s = newSegment()
	value := func(size int) string {
		v := fmt.Sprintf("<%d>", len(values)) + strings.Repeat("v", size)
		values = append(values, v)
		return v
	}
	for i := range 20 {
		s.put("/registry/secrets/a/"+fmt.Sprint(i), value(i*i*7))
		s.request(&pb.InternalRaftRequest{Header: &pb.RequestHeader{ID: 1 << 50}, Txn: &pb.TxnRequest{
			Compare: []*pb.Compare{{Key: []byte("k"), TargetUnion: &pb.Compare_ModRevision{ModRevision: 5}}},
			Success: []*pb.RequestOp{opPut("k", value(30)), opTxn(&pb.TxnRequest{Success: []*pb.RequestOp{opPut("l", value(5))}})},
			Failure: []*pb.RequestOp{opPut("m", value(100))},
		}})
		s.request(&pb.InternalRaftRequest{DeleteRange: &pb.DeleteRangeRequest{Key: []byte("k")}})
		s.record(typeState, varints(1, 7, 2, 1, 3, s.index))
		s.record(typeSnapshot, varints(1, s.index, 2, 7))
	}
	s.put("last", value(300_000))
	s.bytes = append(s.bytes, make([]byte, 4096)...)
	return s, values
}

// check reads what may be anything, and looks at what is promised of any file. It returns
// what was given or is left to the caller to search.
func check(t testing.TB, b []byte) (accounted []byte) {
	t.Helper()
	var puts []Extent
	sum, err := Read(t.Context(), bytes.NewReader(b), int64(len(b)), func(p Put) error {
		if len(p.Value) == 0 {
			return nil
		}
		accounted = append(accounted, p.Value...)
		puts = append(puts, Extent{p.Offset, int64(len(p.Value))})
		if p.Offset < 0 || !bytes.Equal(b[p.Offset:p.Offset+int64(len(p.Value))], p.Value) {
			t.Errorf("the value of %q is not at offset %d", p.Key, p.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.End < 0 || sum.End > int64(len(b)) || len(sum.Unread) > maxUnread || len(sum.Damage) > maxDamage {
		t.Fatalf("ended at %d of %d, with %d extents and %d damages", sum.End, len(b), len(sum.Unread), len(sum.Damage))
	}
	before := func(list []Extent, what string) {
		at := int64(0)
		for _, e := range list {
			if e.Offset < at || e.Offset+e.Length > sum.End {
				t.Errorf("%s %+v begins before %d or ends behind %d", what, e, at, sum.End)
			}
			at = e.Offset + e.Length
		}
	}
	before(puts, "the value")
	before(sum.Unread, "the extent")
	for _, e := range sum.Unread {
		accounted = append(accounted, b[e.Offset:e.Offset+e.Length]...)
		for len(puts) > 0 && puts[0].Offset < e.Offset {
			if puts[0].Offset+puts[0].Length > e.Offset {
				t.Errorf("the value %+v was given, and lies in %+v", puts[0], e)
			}
			puts = puts[1:]
		}
		if len(puts) > 0 && puts[0].Offset < e.Offset+e.Length {
			t.Errorf("the value %+v was given, and lies in %+v", puts[0], e)
		}
	}
	return append(accounted, b[sum.End:]...)
}

// Damage of every kind: nothing panics, takes long or much memory, and what the damage
// left of the values is given or left to be searched.
func TestMutatedSegmentsEndWell(t *testing.T) {
	const mutations, seed = 2000, 20261128
	s, values := varied()
	var before, after runtime.MemStats
	for i := range mutations {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		b := mutate(random, s)
		runtime.ReadMemStats(&before)
		began := testkit.CPU(t)
		accounted := check(t, b)
		took := testkit.CPU(t) - began
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
			t.Errorf("mutation %d of seed %d: allocated %d MiB", i, seed, allocated>>20)
		}
		if took > 5*time.Second {
			t.Errorf("mutation %d of seed %d: took %v", i, seed, took)
		}
		for _, v := range values {
			if bytes.Contains(b, []byte(v)) && !bytes.Contains(accounted, []byte(v)) {
				t.Errorf("mutation %d of seed %d: %.10q is in the file, but was not given or left to be searched", i, seed, v)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// mutate changes a copy of the segment in one to four ways.
func mutate(random *rand.Rand, s *segment) []byte {
	b := bytes.Clone(s.bytes)
	for range 1 + random.IntN(4) {
		if len(b) < 64 {
			return b
		}
		at := random.IntN(len(b))
		if random.IntN(3) > 0 { // in what is not the one large value
			at = min(s.frames[random.IntN(len(s.frames))]+random.IntN(40), len(b)-1)
		}
		length := min(1+random.IntN(1+random.IntN(5000)), len(b)-at)
		switch random.IntN(8) {
		case 0, 1:
			b[at] ^= 1 << random.IntN(8)
		case 2:
			b[at] = byte(random.Uint32())
		case 3:
			clear(b[at : at+length]) // as a sector that was not written
		case 4:
			b = b[:at]
		case 5:
			copy(b[at:], b[random.IntN(len(b)):][:min(length, 16)])
		case 6:
			b = append(b[:at], b[at+length:]...)
		case 7:
			for i := range min(length, 16) {
				b[at+i] = byte(random.Uint32())
			}
		}
	}
	return b
}

// FuzzRead looks for panics and for broken promises.
func FuzzRead(f *testing.F) {
	s, _ := varied()
	f.Add(s.bytes[:s.frames[30]])
	f.Add(s.bytes[:s.frames[9]+5])
	f.Add(s.bytes[s.frames[4]:s.frames[10]])
	f.Add(newSegment().bytes)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b) })
}
