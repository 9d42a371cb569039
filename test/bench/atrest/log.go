package atrest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// segmentSize is when etcd begins the next file, in bytes, and kept how many files there are:
// etcd removes older ones.
const (
	segmentSize = 64_000_000
	kept        = 5
)

// The types of walpb.Record.
const (
	metadata = 1
	entry    = 2
	checksum = 4
)

// segments writes the files of a write-ahead log.
type segments struct {
	dir   string
	file  []byte
	crc   uint32
	begun int
	index uint64
}

func (s *segments) put(kv *mvccpb.KeyValue) error {
	request, err := proto.Marshal(&etcdserverpb.InternalRaftRequest{Txn: &etcdserverpb.TxnRequest{Success: []*etcdserverpb.RequestOp{
		{Request: &etcdserverpb.RequestOp_RequestPut{RequestPut: &etcdserverpb.PutRequest{Key: kv.Key, Value: kv.Value}}},
	}}})
	if err != nil {
		return err
	}
	if s.file == nil {
		s.begin()
	}
	s.index++
	content := number(number(nil, 2, 2), 3, s.index)
	s.record(entry, protowire.AppendBytes(protowire.AppendTag(content, 4, protowire.BytesType), request))
	if len(s.file) < segmentSize {
		return nil
	}
	return s.cut()
}

func (s *segments) begin() {
	s.file = []byte{}
	s.record(checksum, nil)
	s.record(metadata, number(number(nil, 1, 0x8e9e05c52164694d), 2, 0xcdf818194e3a8c32))
}

// cut ends a file.
func (s *segments) cut() error {
	if err := os.WriteFile(s.name(s.begun), s.file, 0o600); err != nil {
		return err
	}
	if s.begun >= kept {
		if err := os.Remove(s.name(s.begun - kept)); err != nil {
			return err
		}
	}
	s.begun, s.file = s.begun+1, nil
	return nil
}

// close writes the last file, with what etcd has allocated of it.
func (s *segments) close() error {
	if s.file == nil {
		s.begin()
	}
	name := s.name(s.begun)
	if err := s.cut(); err != nil {
		return err
	}
	return os.Truncate(name, segmentSize)
}

// name leaves the index out of the file's name, where etcd has it behind the dash.
func (s *segments) name(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x-%016x.wal", n, n*(segmentSize/1200)))
}

func (s *segments) record(kind uint64, content []byte) {
	if kind != checksum {
		s.crc = crc32.Update(s.crc, crc32.MakeTable(crc32.Castagnoli), content)
	}
	record := number(number(nil, 1, kind), 2, uint64(s.crc))
	if content != nil {
		record = protowire.AppendBytes(protowire.AppendTag(record, 3, protowire.BytesType), content)
	}
	head, padding := uint64(len(record)), (8-len(record)%8)%8
	if padding > 0 {
		head |= (0x80 | uint64(padding)) << 56
	}
	s.file = append(append(binary.LittleEndian.AppendUint64(s.file, head), record...), make([]byte, padding)...)
}

func number(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}
