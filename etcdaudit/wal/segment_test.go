package wal

import (
	"encoding/binary"
	"hash/crc32"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// segment is written as etcd's encoder writes one.
type segment struct {
	bytes []byte
	chain uint32
	index uint64
	// frames are the offsets of all frames.
	frames []int
}

// newSegment has what every segment begins with.
func newSegment() *segment {
	s := &segment{chain: 0xfeed, index: 100}
	s.record(typeChecksum, nil)
	s.record(typeMetadata, varints(1, 0xa1, 2, 0xc1))
	s.record(typeSnapshot, varints(1, 99, 2, 7))
	s.record(typeState, varints(1, 7, 2, 1, 3, 99))
	return s
}

// record appends a record, with the checksum that fits.
func (s *segment) record(kind uint64, data []byte) *segment {
	s.chain = crc32.Update(s.chain, crc32.MakeTable(crc32.Castagnoli), data)
	record := varints(1, kind, 2, uint64(s.chain))
	if data != nil {
		record = protowire.AppendTag(record, 3, protowire.BytesType)
		record = protowire.AppendBytes(record, data)
	}
	return s.frame(record)
}

// frame appends a frame around a record.
func (s *segment) frame(record []byte) *segment {
	s.frames = append(s.frames, len(s.bytes))
	length := uint64(len(record))
	if padding := (8 - len(record)%8) % 8; padding > 0 {
		length |= uint64(0x80|padding) << 56
		record = append(record, make([]byte, padding)...)
	}
	s.bytes = append(binary.LittleEndian.AppendUint64(s.bytes, length), record...)
	return s
}

// entry appends a raft entry of type 0 in term 7 with the next index.
func (s *segment) entry(data []byte) *segment {
	s.index++
	e := protowire.AppendTag(varints(1, 0, 2, 7, 3, s.index), 4, protowire.BytesType)
	return s.record(typeEntry, protowire.AppendBytes(e, data))
}

// request appends an entry with etcd's own encoding of the request.
func (s *segment) request(r *pb.InternalRaftRequest) *segment {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		panic(err)
	}
	return s.entry(data)
}

// put appends an entry with one put, as etcdctl makes it.
func (s *segment) put(key, value string) *segment {
	return s.request(&pb.InternalRaftRequest{Put: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}})
}

// varints are fields, as pairs of number and value.
func varints(pairs ...uint64) (b []byte) {
	for i := 0; i < len(pairs); i += 2 {
		b = protowire.AppendTag(b, protowire.Number(pairs[i]), protowire.VarintType)
		b = protowire.AppendVarint(b, pairs[i+1])
	}
	return b
}

func opPut(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

func opTxn(t *pb.TxnRequest) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: t}}
}
