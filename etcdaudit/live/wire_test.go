package live

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

func sample() *pb.RangeResponse {
	return &pb.RangeResponse{
		Header: &pb.ResponseHeader{ClusterId: 1 << 63, MemberId: 2, Revision: 9, RaftTerm: 3}, More: true, Count: 70_000,
		Kvs: []*mvccpb.KeyValue{
			{Key: []byte("/registry/a"), CreateRevision: 3, ModRevision: 8, Version: 2, Value: []byte("v"), Lease: 7},
			{Key: []byte("/registry/b"), CreateRevision: 1, ModRevision: 1, Version: 1},
		},
	}
}

// FuzzAnswer compares what is decoded with what protobuf's own decoder says.
func FuzzAnswer(f *testing.F) {
	whole, err := proto.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x7f}) // a key of 34 GB
	f.Fuzz(func(t *testing.T, b []byte) {
		var want pb.RangeResponse
		theirs := proto.Unmarshal(b, &want)
		var got answer
		ours := got.decode(b)
		if theirs != nil {
			return // a field of another type, or text that is no UTF-8, concerns only them
		}
		if ours != nil {
			t.Fatalf("refused: %v", ours)
		}
		if got.more != want.More || got.left != want.Count || got.clusterID != want.GetHeader().GetClusterId() || got.memberID != want.GetHeader().GetMemberId() || got.header != (want.Header != nil) || len(got.records) != len(want.Kvs) {
			t.Fatalf("%+v, want %v", got, &want)
		}
		for i, kv := range want.Kvs {
			rec := record.Record{Key: kv.Key, Value: kv.Value, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version, Lease: kv.Lease, Origin: record.Origin{Layer: record.Live}}
			if !bytes.Equal(rec.Key, got.records[i].Key) || !bytes.Equal(rec.Value, got.records[i].Value) {
				t.Fatal("another key, or another value")
			}
			got.records[i].Key, got.records[i].Value, rec.Key, rec.Value = nil, nil, nil, nil
			if !cmp.Equal(got.records[i], rec) {
				t.Fatal(cmp.Diff(got.records[i], rec))
			}
		}
	})
}

func TestMessagesOfAStreamAreDecodedInOneBuffer(t *testing.T) {
	var got answer
	for range 2 {
		b, err := proto.Marshal(&pb.RangeStreamResponse{RangeResponse: sample()})
		if err != nil {
			t.Fatal(err)
		}
		if err := got.decodeStream(b); err != nil || len(got.records) != 2 || string(got.records[0].Value) != "v" || got.size != 23 {
			t.Fatalf("%v: %+v", err, got)
		}
	}
}

// An empty key has two bytes in an answer, and a record of it more than a hundred.
func TestKeysThatWereNotAskedForTakeNoMemory(t *testing.T) {
	const key = "/registry/a"
	kv, err := proto.Marshal(&mvccpb.KeyValue{Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	one := append([]byte{answerKey<<3 | 2, byte(len(kv))}, kv...)
	for name, tt := range map[string]struct {
		answer  []byte
		records int
		says    string
	}{
		"empty keys":             {bytes.Repeat([]byte{answerKey<<3 | 2, 0}, 1000), 0, "has a key that cannot be decoded"},
		"keys elsewhere":         {bytes.Replace(one, []byte(key), []byte("/elsewhere/"), 1), 0, "not under the prefix"},
		"as many as there are":   {bytes.Repeat(one, maxRecords), maxRecords, ""},
		"more than there can be": {bytes.Repeat(one, maxRecords+1), maxRecords, "more than 400000 keys"},
	} {
		got := answer{prefix: []byte("/registry/")}
		err := got.decode(tt.answer)
		if len(got.records) != tt.records || (err != nil) != (tt.says != "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %d records, %v", name, len(got.records), err)
		}
	}
}
