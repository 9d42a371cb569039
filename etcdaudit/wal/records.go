package wal

import "google.golang.org/protobuf/encoding/protowire"

// numbers reads the records that hold numbers only: etcdserverpb.Metadata {NodeID = 1,
// ClusterID = 2}, raftpb.HardState {commit = 3} and walpb.Snapshot {index = 1}, which also
// names the members. The checksum does not cover a record's type, so what else is there
// may be an entry.
func (rd *reader) numbers(kind int, m message) error {
	var n [4]uint64
	for whole := m; len(m.bytes) > 0; {
		f, ok := m.next()
		switch {
		case ok && f.typ == protowire.VarintType && f.num < 4:
			n[f.num] = f.number
		case ok && f.is(3, protowire.BytesType) && kind == typeSnapshot:
		default:
			return rd.malformed(whole, "a record that is no entry")
		}
	}
	switch kind {
	case typeMetadata: // the same in all segments of a member
		rd.sum.MemberID, rd.sum.ClusterID = n[1], n[2]
	case typeState:
		rd.sum.Commit = n[3]
	case typeSnapshot:
		rd.sum.Snapshots++
		rd.sum.LastSnapshot = n[1]
	}
	return nil
}

// entry reads raftpb.Entry. Only normal entries hold requests; the others change the
// membership.
func (rd *reader) entry(m message, verified bool) error {
	var (
		kind uint64
		data message
	)
	rd.put = Put{Verified: verified}
	whole := m
	for len(m.bytes) > 0 {
		f, ok := m.next()
		if !ok {
			return rd.malformed(whole, "an entry")
		}
		switch {
		case f.is(1, protowire.VarintType):
			kind = f.number
		case f.is(2, protowire.VarintType):
			rd.put.Term = f.number
		case f.is(3, protowire.VarintType):
			rd.put.Index = f.number
		case f.is(4, protowire.BytesType):
			data = f.content
		case !verified && len(f.content.bytes) > 0:
			return rd.malformed(whole, "an entry")
		}
	}
	rd.sum.Entries++
	if rd.sum.Entries == 1 {
		rd.sum.FirstIndex = rd.put.Index
	}
	rd.sum.LastIndex = rd.put.Index
	if kind != 0 {
		return rd.passed(field{content: data})
	}
	return rd.request(data)
}
