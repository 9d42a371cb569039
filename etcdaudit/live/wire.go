package live

import (
	"bytes"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/mvcc"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/protofield"
)

// frame is a gRPC codec that leaves an answer as the bytes that came. etcd's own client makes
// five allocations of each key, which cost as much as all that is done with it here. The bytes
// are used again for the next answer.
type frame struct{ bytes []byte }

// Name is that of the content subtype, which every server of etcd's API speaks.
func (*frame) Name() string { return "proto" }

// Marshal writes a request.
func (*frame) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*pb.RangeRequest)
	if !ok {
		return nil, fmt.Errorf("%T is no request for a range", v)
	}
	b, err := proto.Marshal(m)
	return mem.BufferSlice{mem.SliceBuffer(b)}, err
}

// Unmarshal copies the answer out of the buffers that it was received in.
func (f *frame) Unmarshal(data mem.BufferSlice, _ any) error {
	n := data.Len()
	if n > cap(f.bytes) {
		f.bytes = make([]byte, n)
	}
	f.bytes = f.bytes[:n]
	data.CopyTo(f.bytes)
	return nil
}

// answer is one answer to a request for a range. Its records are views of the frame that it was
// decoded from.
type answer struct {
	prefix  []byte // of every key
	records []record.Record
	// size is that of keys and values, in bytes.
	size int64
	// more is set where a limit ended the answer before the range did. left is how many keys
	// the range has, those of this answer included; a stream says neither before its end.
	more bool
	left int64
	// header is set where the answer names its cluster, and the member that gives it.
	header              bool
	clusterID, memberID uint64
}

// The fields of rpc.proto and kv.proto (go.etcd.io/etcd/api/v3).
const (
	streamAnswer = 1 // RangeStreamResponse.range_response

	answerHeader, answerKey, answerMore, answerCount = 1, 2, 3, 4

	headerCluster, headerMember = 1, 2
)

// decodeStream reads one message of a stream.
func (a *answer) decodeStream(b []byte) error {
	a.reset()
	return protofield.Each(b, func(n protowire.Number, _ uint64, bytes []byte) error {
		if n != streamAnswer {
			return nil
		}
		return a.merge(bytes)
	})
}

// decode reads the answer to a single request.
func (a *answer) decode(b []byte) error {
	a.reset()
	return a.merge(b)
}

func (a *answer) reset() { *a = answer{prefix: a.prefix, records: a.records[:0]} }

// maxRecords is above what fits into receiveLimit of keys that API servers build. A record takes far
// more memory than an empty key does in an answer.
const maxRecords = 400_000

func (a *answer) merge(b []byte) error {
	return protofield.Each(b, func(n protowire.Number, number uint64, b []byte) error {
		switch n {
		case answerHeader:
			a.header = true
			return protofield.Each(b, func(n protowire.Number, number uint64, _ []byte) error {
				switch n {
				case headerCluster:
					a.clusterID = number
				case headerMember:
					a.memberID = number
				}
				return nil
			})
		case answerKey:
			rec, ok := recordOf(b)
			switch {
			case !ok:
				return errors.New("it has a key that cannot be decoded")
			case !bytes.HasPrefix(rec.Key, a.prefix):
				return fmt.Errorf("key %q is not under the prefix", rec.Key)
			case len(a.records) == maxRecords:
				return fmt.Errorf("it has more than %d keys", maxRecords)
			}
			a.records = append(a.records, rec)
			a.size += int64(len(rec.Key) + len(rec.Value))
		case answerMore:
			a.more = number != 0
		case answerCount:
			a.left = int64(number) //nolint:gosec // as protobuf has it
		}
		return nil
	})
}

// recordOf reads a key with its value, which stands in an answer as it does in the database. It
// runs once for each key.
func recordOf(b []byte) (record.Record, bool) {
	v, ok := mvcc.ParseVersion(b)
	return record.Record{
		Key: v.Key, Value: v.Value, CreateRevision: v.CreateRevision, ModRevision: v.ModRevision, Version: v.Version, Lease: v.Lease,
		Origin: record.Origin{Layer: record.Live},
	}, ok
}
