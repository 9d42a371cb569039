package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// readAll reads a segment. Each put is a line: what it is, and what of it is in the file.
func readAll(t testing.TB, b []byte) ([]string, Summary) {
	t.Helper()
	var puts []string
	sum, err := Read(t.Context(), bytes.NewReader(b), int64(len(b)), func(p Put) error {
		puts = append(puts, line(p))
		if !bytes.Equal(b[p.Offset:p.Offset+int64(len(p.Value))], p.Value) {
			t.Errorf("the value of %s is not at offset %d", p.Key, p.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return puts, sum
}

func line(p Put) string {
	s := fmt.Sprintf("%d/%d %s=%s", p.Term, p.Index, p.Key, p.Value)
	if p.Lease != 0 {
		s += fmt.Sprintf(" lease %d", p.Lease)
	}
	if p.Failure {
		s += " on failure"
	}
	if !p.Verified {
		s += " unverified"
	}
	return s
}

func TestEveryPutOfARequestIsFound(t *testing.T) {
	nested := &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte("c"), TargetUnion: &pb.Compare_Value{Value: []byte("compared")}}},
		Success: []*pb.RequestOp{opPut("in", "1")}, Failure: []*pb.RequestOp{opPut("in", "2")},
	}
	tests := []struct {
		name    string
		segment *segment
		want    []string
	}{
		{"no entry", newSegment(), nil},
		{"a put", newSegment().put("a", "1"), []string{"7/101 a=1"}},
		{"a put without a value", newSegment().put("a", ""), []string{"7/101 a="}},
		{"a put with a lease", newSegment().request(&pb.InternalRaftRequest{
			Header: &pb.RequestHeader{ID: 1 << 60, Username: "root"},
			Put:    &pb.PutRequest{Key: []byte("a"), Value: []byte("1"), Lease: -5, PrevKv: true},
		}), []string{"7/101 a=1 lease -5"}},
		{
			"a transaction of an API server",
			newSegment().request(&pb.InternalRaftRequest{Txn: &pb.TxnRequest{
				Compare: []*pb.Compare{{Key: []byte("a"), Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: 5}}},
				Success: []*pb.RequestOp{opPut("a", "1")},
				Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("a")}}}},
			}}),
			[]string{"7/101 a=1"},
		},
		{
			"transactions within a transaction, on success and on failure",
			newSegment().request(&pb.InternalRaftRequest{Txn: &pb.TxnRequest{
				Success: []*pb.RequestOp{opPut("a", "1"), opTxn(nested), opPut("b", "2")},
				Failure: []*pb.RequestOp{opTxn(nested), opPut("c", "3")},
			}}),
			[]string{"7/101 a=1", "7/101 in=1", "7/101 in=2 on failure", "7/101 b=2", "7/101 in=1 on failure", "7/101 in=2 on failure", "7/101 c=3 on failure"},
		},
		{
			"requests that put nothing",
			newSegment().
				request(&pb.InternalRaftRequest{DeleteRange: &pb.DeleteRangeRequest{Key: []byte("a")}}).
				request(&pb.InternalRaftRequest{Compaction: &pb.CompactionRequest{Revision: 4}}).
				request(&pb.InternalRaftRequest{LeaseGrant: &pb.LeaseGrantRequest{TTL: 4}}).
				entry(nil).
				put("a", "1"),
			[]string{"7/105 a=1"},
		},
		{
			"a request of the former API that looks like a put",
			newSegment().entry(slices.Concat(varints(1, 5), text(2, "PUT"), text(3, "/0/members"), text(4, string(text(1, "a"))))).put("a", "1"),
			[]string{"7/102 a=1"},
		},
		{
			"a change of the membership that looks like a put",
			newSegment().record(typeEntry, slices.Concat(varints(1, 1, 2, 7, 3, 101), text(4, string(text(4, string(text(1, "a"))))))),
			nil,
		},
		{
			"fields in another order, unknown ones and ones of another type",
			newSegment().record(typeEntry, slices.Concat(
				text(4, string(slices.Concat(varints(4, 1, 77, 1), text(4, string(slices.Concat(varints(3, 9, 1, 5), text(2, "1"), text(99, "x"), text(1, "a"))))))),
				varints(3, 101, 2, 7),
			)),
			[]string{"7/101 a=1 lease 9"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, sum := readAll(t, tt.segment.bytes)
			if !slices.Equal(got, tt.want) {
				t.Errorf("puts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if sum.Ending != EndOfFile || sum.End != int64(len(tt.segment.bytes)) || len(sum.Damage) != 0 || len(sum.Unread) != 0 {
				t.Errorf("not read whole: %+v", sum)
			}
			if sum.Puts != int64(len(got)) {
				t.Errorf("counted %d puts, gave %d", sum.Puts, len(got))
			}
		})
	}
}

func text(num protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), s)
}

func TestTheSummaryIsWhatTheRecordsSay(t *testing.T) {
	s := newSegment().put("a", "1").put("b", "2")
	s.record(typeState, varints(1, 7, 3, 102)).record(typeSnapshot, varints(1, 102, 2, 7))
	s.entry(text(2, ""))
	_, sum := readAll(t, s.bytes)
	got := fmt.Sprintf("%+v", sum)
	want := fmt.Sprintf("%+v", Summary{
		ClusterID: 0xc1, MemberID: 0xa1, Entries: 3, Puts: 2, V2: 1, FirstIndex: 101, LastIndex: 103,
		Commit: 102, Snapshots: 2, LastSnapshot: 102, End: int64(len(s.bytes)),
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadingEndsWhereTheFramesEnd(t *testing.T) {
	s := newSegment().put("a", "1").put("b", "2")
	whole, last := int64(len(s.bytes)), int64(s.frames[len(s.frames)-1])
	tests := []struct {
		name   string
		bytes  []byte
		end    int64
		ending Ending
		puts   int64
	}{
		{"at the end of the file", s.bytes, whole, EndOfFile, 2},
		{"before space that is not yet written", slices.Concat(s.bytes, make([]byte, 1000)), whole, ZeroLength, 2},
		{"before zeros of less than a length", slices.Concat(s.bytes, make([]byte, 7)), whole, Torn, 2},
		{"before a frame that is cut", s.bytes[:whole-1], last, Torn, 1},
		{"before a length that is cut", s.bytes[:last+3], last, Torn, 1},
		{"before a length with wrong padding", slices.Concat(s.bytes, []byte{4, 0, 0, 0, 0, 0, 0, 0x83}, make([]byte, 100)), whole, ImpossibleLength, 2},
		{"before a length with wrong high bits", slices.Concat(s.bytes, []byte{8, 0, 0, 0, 0, 0, 0, 0x40}, make([]byte, 100)), whole, ImpossibleLength, 2},
		{"before 10 GiB", slices.Concat(s.bytes, []byte{0, 0, 0, 0x80, 2, 0, 0, 0}, make([]byte, 100)), whole, ImpossibleLength, 2},
		{"at the beginning of an empty file", nil, 0, EndOfFile, 0},
		{"at the beginning of zeros", make([]byte, 5000), 0, ZeroLength, 0},
		{"at the beginning of a text", []byte(strings.Repeat("no segment at all\n", 9)), 0, ImpossibleLength, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, sum := readAll(t, tt.bytes)
			if sum.End != tt.end || sum.Ending != tt.ending || sum.Puts != tt.puts || len(sum.Damage) != 0 {
				t.Errorf("%d puts, ended at %d because %v, damage %v; want %d, %d, %v and none", sum.Puts, sum.End, sum.Ending, sum.Damage, tt.puts, tt.end, tt.ending)
			}
		})
	}
}

func TestAnErrorEndsTheReading(t *testing.T) {
	s := newSegment().put("a", "1").put("b", "2").put("c", "3")
	t.Run("of the function that is given the puts", func(t *testing.T) {
		stop, n := errors.New("stop"), 0
		_, err := Read(t.Context(), bytes.NewReader(s.bytes), int64(len(s.bytes)), func(Put) error {
			n++
			return stop
		})
		if err != stop || n != 1 { //nolint:errorlint // as it is
			t.Errorf("%v after %d puts", err, n)
		}
	})
	t.Run("of the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Read(ctx, bytes.NewReader(s.bytes), int64(len(s.bytes)), func(Put) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("of a place that cannot be read, with what is before it", func(t *testing.T) {
		bad, n := errors.New("bad sector"), 0
		at := s.frames[len(s.frames)-1] + 20
		_, err := Read(t.Context(), failing{bytes.NewReader(s.bytes[:at]), bad}, int64(len(s.bytes)), func(Put) error {
			n++
			return nil
		})
		if !errors.Is(err, bad) || !strings.Contains(err.Error(), fmt.Sprintf("read at offset %d:", at)) || n != 2 {
			t.Errorf("%v after %d puts", err, n)
		}
	})
}

// failing is a file whose rest cannot be read.
type failing struct {
	io.ReaderAt
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, off)
	if err != nil {
		err = f.err
	}
	return n, err
}
