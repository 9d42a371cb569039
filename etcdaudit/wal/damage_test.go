package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// The rest of a segment is read whatever happened to one frame, and bytes that could not
// be read are named.
func TestDamageOfOneFrameLeavesTheOthers(t *testing.T) {
	const first, last = 4, 6 // frames of the puts a and c; b is between them
	tests := []struct {
		name   string
		damage func(s *segment, frame []byte)
		want   []string
		unread string // what the extents have in them; "" for none
		reason string
	}{
		{
			"a changed byte of a value",
			func(_ *segment, frame []byte) { frame[bytes.IndexByte(frame, 'Y')] = 'X' },
			[]string{"7/101 a=xxx", "7/102 b=yXy unverified", "7/103 c=zzz"}, "", "the checksum of a record does not fit",
		},
		{
			"a changed checksum, which the next one depends on",
			func(_ *segment, frame []byte) { frame[11] ^= 1 },
			[]string{"7/101 a=xxx", "7/102 b=yYy unverified", "7/103 c=zzz unverified"}, "", "the checksum of a record does not fit",
		},
		{
			"a record that is no message",
			func(_ *segment, frame []byte) { frame[8] = 0x0f },
			[]string{"7/101 a=xxx", "7/103 c=zzz unverified"}, "yYy", "a record cannot be decoded",
		},
		{
			"a record of an unknown type",
			func(_ *segment, frame []byte) { frame[9] = 9 },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "a record of the unknown type 9",
		},
		{
			"an entry that is taken for a state, which the checksum does not show",
			func(_ *segment, frame []byte) { frame[9] = typeState },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "a record that is no entry cannot be decoded",
		},
		{
			"an entry that is no message",
			func(_ *segment, frame []byte) { frame[bytes.IndexByte(frame, 'b')-6] = 0x0f },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "the checksum of a record does not fit",
		},
		{
			"a put that is taken for another request",
			func(_ *segment, frame []byte) { frame[bytes.IndexByte(frame, 'b')-4] = 5<<3 | 2 },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "the checksum of a record does not fit",
		},
		{
			"a put that is taken for one of the former API",
			func(_ *segment, frame []byte) { frame[bytes.IndexByte(frame, 'b')-4] = 2<<3 | 2 },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "the checksum of a record does not fit",
		},
		{
			"a value that is taken for the key",
			func(_ *segment, frame []byte) { frame[bytes.IndexByte(frame, 'y')-2] = 1<<3 | 2 },
			[]string{"7/101 a=xxx", "7/103 c=zzz"}, "yYy", "the checksum of a record does not fit",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSegment().put("a", "xxx").put("b", "yYy").put("c", "zzz")
			tt.damage(s, s.bytes[s.frames[first+1]:s.frames[last]])
			got, sum := readAll(t, s.bytes)
			if !slices.Equal(got, tt.want) {
				t.Errorf("puts %q, want %q", got, tt.want)
			}
			var unread []byte
			for _, e := range sum.Unread {
				unread = append(unread, s.bytes[e.Offset:e.Offset+e.Length]...)
			}
			if !bytes.Contains(unread, []byte(tt.unread)) || tt.unread == "" && len(unread) > 0 {
				t.Errorf("unread is %q, want %q in it", unread, tt.unread)
			}
			if len(sum.Damage) == 0 || sum.Damage[0].Reason != tt.reason || sum.Damage[0].Offset < int64(s.frames[first+1]) {
				t.Errorf("damage is %+v, want %q", sum.Damage, tt.reason)
			}
			if sum.Ending != EndOfFile || sum.End != int64(len(s.bytes)) {
				t.Errorf("ended at %d: %v", sum.End, sum.Ending)
			}
		})
	}
}

func TestOperationsBesideADamagedOneAreRead(t *testing.T) {
	good := func(key string) string { return string(text(2, string(text(2, string(text(1, key)))))) }
	bad := string(text(2, string(text(2, "\x0a\x7fcut"))))
	s := newSegment().entry(text(6, good("a")+bad+good("b"))).entry(append(text(4, string(text(1, "c"))), 0xff)).put("d", "")
	got, sum := readAll(t, s.bytes)
	if want := []string{"7/101 a=", "7/101 b=", "7/102 c=", "7/103 d="}; !slices.Equal(got, want) {
		t.Errorf("puts %q, want %q", got, want)
	}
	if len(sum.Unread) != 2 || len(sum.Damage) != 2 {
		t.Fatalf("%+v", sum)
	}
	for i, want := range []string{"\x0a\x7fcut", "\xff"} {
		if e := sum.Unread[i]; string(s.bytes[e.Offset:e.Offset+e.Length]) != want {
			t.Errorf("extent %d is %q, want %q", i, s.bytes[e.Offset:e.Offset+e.Length], want)
		}
	}
}

func TestASegmentWithoutItsBeginningIsReadAndSaidToBeDamaged(t *testing.T) {
	s := newSegment().put("a", "1").put("b", "2")
	got, sum := readAll(t, s.bytes[s.frames[4]:])
	if want := []string{"7/101 a=1 unverified", "7/102 b=2"}; !slices.Equal(got, want) {
		t.Errorf("puts %q, want %q", got, want)
	}
	if len(sum.Damage) != 1 || sum.Damage[0].Reason != "the first record is not a checksum" {
		t.Errorf("damage %+v", sum.Damage)
	}
}

func TestTransactionsWithinOneAnotherAreReadToABound(t *testing.T) {
	nested := func(depth int) *segment {
		op := opPut("deep", "1")
		for range depth - 1 {
			op = opTxn(&pb.TxnRequest{Success: []*pb.RequestOp{op}})
		}
		return newSegment().request(&pb.InternalRaftRequest{Txn: &pb.TxnRequest{Success: []*pb.RequestOp{op}}}).put("a", "1")
	}
	if got, _ := readAll(t, nested(maxDepth).bytes); len(got) != 2 {
		t.Errorf("at the bound: %q", got)
	}
	got, sum := readAll(t, nested(maxDepth+1).bytes)
	if len(got) != 1 || len(sum.Unread) != 1 || len(sum.Damage) != 1 {
		t.Errorf("beyond the bound: %q %+v", got, sum)
	}
	if got, sum := readAll(t, nested(5000).bytes); len(got) != 1 || len(sum.Unread) != 1 {
		t.Errorf("far beyond the bound: %q %+v", got, sum)
	}
}

func TestWhatIsKeptOfMuchDamageIsBounded(t *testing.T) {
	t.Run("reading ends where there would be too many extents", func(t *testing.T) {
		s := newSegment()
		for range maxUnread + 5 {
			s.record(42, []byte("?"))
		}
		s.put("a", "1")
		_, sum := readAll(t, s.bytes)
		if want := int64(s.frames[4+maxUnread] + frameHeader); sum.Ending != TooDamaged || sum.End != want || len(sum.Unread) != maxUnread || sum.Puts != 0 {
			t.Errorf("%v at %d, %d extents, want %d", sum.Ending, sum.End, len(sum.Unread), want)
		}
		if len(sum.Damage) != maxDamage || sum.MoreDamage != maxUnread+1-maxDamage {
			t.Errorf("%d damages and %d more", len(sum.Damage), sum.MoreDamage)
		}
	})
	t.Run("reading goes on through wrong checksums", func(t *testing.T) {
		s := newSegment()
		for range maxUnread + 5 {
			s.chain++
			s.put("a", "1")
		}
		got, sum := readAll(t, s.bytes)
		if len(got) != maxUnread+5 || sum.Ending != EndOfFile || len(sum.Damage)+int(sum.MoreDamage) != maxUnread+5 {
			t.Errorf("%d puts, %v, %d damages and %d more", len(got), sum.Ending, len(sum.Damage), sum.MoreDamage)
		}
	})
}

func TestARecordIsReadUpToItsBound(t *testing.T) {
	// The file is sparse, and a record of the bound's size is the largest there is.
	write := func(t *testing.T, record int) (*os.File, int64) {
		f, err := os.Create(filepath.Join(t.TempDir(), "segment"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		s := newSegment().put("a", "1")
		at := int64(len(s.bytes))
		header := func(b []byte, num protowire.Number, size int) []byte {
			return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.BytesType), uint64(size))
		}
		// All headers within have the same length as long as the sizes have.
		within := record - len(varints(1, typeEntry, 2, 1)) - 5
		head := header(varints(1, typeEntry, 2, 1), 3, within)
		head = header(append(head, varints(3, 102)...), 4, within-2-5)
		head = header(head, 4, within-2-10)
		head = header(append(head, text(1, "big")...), 2, within-2-10-5-5)
		f.WriteAt(s.bytes, 0)
		f.WriteAt(append(binary.LittleEndian.AppendUint64(nil, uint64(record)), head...), at)
		end := at + frameHeader + int64(record)
		after := newSegment().put("c", "3")
		f.WriteAt(after.bytes[after.frames[4]:], end)
		return f, end + int64(len(after.bytes)-after.frames[4])
	}
	for _, tt := range []struct {
		record int
		want   []string
	}{
		{maxRecord, []string{"a 1", "big 67108833", "c 1"}},
		{maxRecord + 8, []string{"a 1", "c 1"}},
	} {
		f, size := write(t, tt.record)
		var got []string
		sum, err := Read(t.Context(), f, size, func(p Put) error {
			got = append(got, fmt.Sprintf("%s %d", p.Key, len(p.Value)))
			return nil
		})
		if err != nil || !slices.Equal(got, tt.want) || sum.Ending != EndOfFile || sum.End != size {
			t.Errorf("record of %d bytes: %q, want %q; %+v, %v", tt.record, got, tt.want, sum, err)
		}
		if refused := tt.record > maxRecord; refused != (len(sum.Unread) == 1 && sum.Unread[0].Length == int64(frameHeader+tt.record)) {
			t.Errorf("record of %d bytes: unread %v", tt.record, sum.Unread)
		}
	}
}

// While etcd writes, what was checked has to be what is used.
func TestEachByteIsReadOnce(t *testing.T) {
	s := newSegment()
	for _, size := range []int{10, 100_000, windowSize, 5, 3 << 20, 6 << 20, 7, 300_000} {
		s.put("a", strings.Repeat("v", size))
	}
	once := &onceReader{t: t, bytes: s.bytes}
	sum, err := Read(t.Context(), once, int64(len(s.bytes)), func(Put) error { return nil })
	if err != nil || sum.Puts != 8 || len(sum.Damage) > 0 || once.next != int64(len(s.bytes)) {
		t.Errorf("%+v, %v; read up to %d", sum, err, once.next)
	}
}

type onceReader struct {
	t     *testing.T
	bytes []byte
	next  int64
}

func (r *onceReader) ReadAt(p []byte, off int64) (int, error) {
	if off != r.next {
		r.t.Errorf("read at %d, after %d bytes", off, r.next)
	}
	r.next = off + int64(len(p))
	return bytes.NewReader(r.bytes).ReadAt(p, off)
}

func TestAFileThatIsCutWhileItIsReadEndsThere(t *testing.T) {
	s := newSegment()
	for range 100 {
		s.put("a", strings.Repeat("v", 10_000))
	}
	for _, tt := range []struct {
		name   string
		length int
		ending Ending
	}{
		{"between two frames", s.frames[60], EndOfFile},
		{"within a frame", s.frames[60] + 500, Torn},
		{"within a length", s.frames[60] + 4, Torn},
	} {
		sum, err := Read(t.Context(), bytes.NewReader(s.bytes[:tt.length]), int64(len(s.bytes)), func(Put) error { return nil })
		if err != nil || sum.Ending != tt.ending || sum.Puts != 56 || sum.End != int64(s.frames[60]) || len(sum.Damage) > 0 {
			t.Errorf("%s: %+v, %v", tt.name, sum, err)
		}
	}
}

func TestAFileThatGrowsIsReadUpToTheGivenSize(t *testing.T) {
	s := newSegment().put("a", "1")
	size := int64(len(s.bytes))
	s.put("b", "2")
	r := io.NewSectionReader(bytes.NewReader(s.bytes), 0, int64(len(s.bytes)))
	sum, err := Read(t.Context(), r, size, func(Put) error { return nil })
	if err != nil || sum.Puts != 1 || sum.End != size || sum.Ending != EndOfFile {
		t.Errorf("%+v, %v", sum, err)
	}
}
