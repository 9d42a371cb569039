package wal

import "google.golang.org/protobuf/encoding/protowire"

// metadata reads etcdserverpb.Metadata. All segments of a member have the same one.
func (rd *reader) metadata(m message) error {
	for len(m.bytes) > 0 {
		f, ok := m.next()
		switch {
		case !ok:
			return rd.malformed(m, "the metadata")
		case f.is(1, protowire.VarintType):
			rd.sum.MemberID = f.number
		case f.is(2, protowire.VarintType):
			rd.sum.ClusterID = f.number
		}
	}
	return nil
}

// state reads raftpb.HardState.
func (rd *reader) state(m message) error {
	for len(m.bytes) > 0 {
		f, ok := m.next()
		switch {
		case !ok:
			return rd.malformed(m, "a state")
		case f.is(3, protowire.VarintType):
			rd.sum.Commit = max(rd.sum.Commit, f.number)
		}
	}
	return nil
}

// snapshot reads walpb.Snapshot.
func (rd *reader) snapshot(m message) error {
	rd.sum.Snapshots++
	rd.sum.LastSnapshot = 0 // the index 0 of a new log may be left out
	for len(m.bytes) > 0 {
		f, ok := m.next()
		switch {
		case !ok:
			return rd.malformed(m, "a snapshot record")
		case f.is(1, protowire.VarintType):
			rd.sum.LastSnapshot = f.number
		}
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
		}
	}
	rd.sum.Entries++
	if rd.sum.Entries == 1 {
		rd.sum.FirstIndex = rd.put.Index
	}
	rd.sum.LastIndex = rd.put.Index
	if kind != 0 {
		return nil
	}
	return rd.request(data)
}
