// Command readlog prints what etcd's own code reads in segments of its write-ahead log,
// one line of JSON for each file. With -passes it prints how long reading takes instead.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// segment is what is printed of a file.
type segment struct {
	// Error is why reading ended: "EOF" at the end of the file and at zeros.
	Error                 string
	End                   int64
	Cluster, Member       uint64
	Entries               int64
	FirstIndex, LastIndex uint64
	Commit                uint64
	Snapshots             int64
	LastSnapshot          uint64
	// Undecodable is how many entries are no request of today's API.
	Undecodable int64
	Puts        []put
}

type put struct {
	Key         []byte
	SHA256      string // of the value
	Index, Term uint64
	Lease       int64
	Failure     bool
}

func main() {
	passes := flag.Int("passes", 0, "read each file so often, and print the fastest pass in nanoseconds")
	flag.Parse()
	for _, path := range flag.Args() {
		if err := run(path, *passes); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func run(path string, passes int) error {
	if passes == 0 {
		s := segment{}
		err := s.read(path, s.request)
		s.Error = err.Error()
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	best := time.Duration(0)
	for range passes {
		s, began := segment{}, time.Now()
		if err := s.read(path, func(*raftpb.Entry, *etcdserverpb.InternalRaftRequest) {}); !errors.Is(err, io.EOF) {
			return err
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	fmt.Println(best.Nanoseconds())
	return nil
}

// read returns why it ends, which is never nil.
func (s *segment) read(path string, each func(*raftpb.Entry, *etcdserverpb.InternalRaftRequest)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	decoder := wal.NewDecoder(fileutil.NewFileReader(f))
	rec := &walpb.Record{}
	for {
		if err := decoder.Decode(rec); err != nil {
			s.End = decoder.LastOffset()
			return err
		}
		switch rec.GetType() {
		case wal.CrcType:
			if crc := decoder.LastCRC(); crc != 0 && rec.Validate(crc) != nil {
				return wal.ErrCRCMismatch
			}
			decoder.UpdateCRC(rec.GetCrc())
		case wal.EntryType:
			if err := s.entry(rec.Data, each); err != nil {
				return err
			}
		default:
			if err := s.other(rec); err != nil {
				return err
			}
		}
	}
}

func (s *segment) other(rec *walpb.Record) error {
	switch rec.GetType() {
	case wal.MetadataType:
		var m etcdserverpb.Metadata
		if err := proto.Unmarshal(rec.Data, &m); err != nil {
			return err
		}
		s.Cluster, s.Member = m.GetClusterID(), m.GetNodeID()
	case wal.StateType:
		var state raftpb.HardState
		if err := proto.Unmarshal(rec.Data, &state); err != nil {
			return err
		}
		s.Commit = state.GetCommit()
	case wal.SnapshotType:
		var snap walpb.Snapshot
		if err := proto.Unmarshal(rec.Data, &snap); err != nil {
			return err
		}
		s.Snapshots++
		s.LastSnapshot = snap.GetIndex()
	}
	return nil
}

func (s *segment) entry(data []byte, each func(*raftpb.Entry, *etcdserverpb.InternalRaftRequest)) error {
	var e raftpb.Entry
	if err := proto.Unmarshal(data, &e); err != nil {
		return err
	}
	if s.Entries++; s.Entries == 1 {
		s.FirstIndex = e.GetIndex()
	}
	s.LastIndex = e.GetIndex()
	if e.GetType() != raftpb.EntryNormal {
		return nil
	}
	var r etcdserverpb.InternalRaftRequest
	if proto.Unmarshal(e.Data, &r) != nil {
		s.Undecodable++
		return nil
	}
	each(&e, &r)
	return nil
}

func (s *segment) request(e *raftpb.Entry, r *etcdserverpb.InternalRaftRequest) {
	if r.Put != nil {
		s.put(e, r.Put, false)
	}
	s.txn(e, r.Txn, false)
}

func (s *segment) txn(e *raftpb.Entry, t *etcdserverpb.TxnRequest, failure bool) {
	for _, op := range t.GetSuccess() {
		s.operation(e, op, failure)
	}
	for _, op := range t.GetFailure() {
		s.operation(e, op, true)
	}
}

func (s *segment) operation(e *raftpb.Entry, op *etcdserverpb.RequestOp, failure bool) {
	switch r := op.Request.(type) {
	case *etcdserverpb.RequestOp_RequestPut:
		s.put(e, r.RequestPut, failure)
	case *etcdserverpb.RequestOp_RequestTxn:
		s.txn(e, r.RequestTxn, failure)
	}
}

func (s *segment) put(e *raftpb.Entry, r *etcdserverpb.PutRequest, failure bool) {
	sum := sha256.Sum256(r.Value)
	s.Puts = append(s.Puts, put{Key: r.Key, SHA256: hex.EncodeToString(sum[:]), Index: e.GetIndex(), Term: e.GetTerm(), Lease: r.Lease, Failure: failure})
}
