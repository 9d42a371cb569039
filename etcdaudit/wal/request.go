package wal

import "google.golang.org/protobuf/encoding/protowire"

// maxDepth bounds the transactions within transactions. Each needs an operation, of
// which etcd takes 128 unless --max-txn-ops says otherwise.
const maxDepth = 128

// request reads etcdserverpb.InternalRaftRequest. A request of the former API is either
// in its field 2, or stands in its place and has a text there (Request.Method); in both
// cases etcd looks at nothing else.
func (rd *reader) request(m message) error {
	for len(m.bytes) > 0 {
		f, ok := m.next()
		if !ok {
			return rd.malformed(m, "a request")
		}
		var err error
		switch {
		case f.is(2, protowire.BytesType):
			rd.sum.V2++
			if err := rd.passed(f); err != nil {
				return err
			}
			return rd.passed(field{content: m})
		case f.is(4, protowire.BytesType):
			err = rd.putRequest(f.content, false)
		case f.is(6, protowire.BytesType):
			err = rd.txn(f.content, false, 1)
		default:
			err = rd.passed(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// txn reads etcdserverpb.TxnRequest {success = 2, failure = 3}.
func (rd *reader) txn(m message, failure bool, depth int) error {
	if depth > maxDepth {
		rd.sum.damaged(m.at, "more than %d transactions within one another", maxDepth)
		return rd.unread(m, int64(len(m.bytes)))
	}
	for len(m.bytes) > 0 {
		f, ok := m.next()
		if !ok {
			return rd.malformed(m, "a transaction")
		}
		var err error
		switch {
		case f.is(2, protowire.BytesType):
			err = rd.operation(f.content, failure, depth)
		case f.is(3, protowire.BytesType):
			err = rd.operation(f.content, true, depth)
		default:
			err = rd.passed(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// operation reads etcdserverpb.RequestOp {request_put = 2, request_txn = 4}.
func (rd *reader) operation(m message, failure bool, depth int) error {
	for len(m.bytes) > 0 {
		f, ok := m.next()
		if !ok {
			return rd.malformed(m, "an operation")
		}
		var err error
		switch {
		case f.is(2, protowire.BytesType):
			err = rd.putRequest(f.content, failure)
		case f.is(4, protowire.BytesType):
			err = rd.txn(f.content, failure, depth+1)
		default:
			err = rd.passed(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putRequest reads etcdserverpb.PutRequest {key = 1, value = 2, lease = 3}.
func (rd *reader) putRequest(m message, failure bool) error {
	put := rd.put
	put.Failure = failure
	whole, last := m, protowire.Number(0)
	for len(m.bytes) > 0 {
		f, ok := m.next()
		// etcd writes fields in this order. In other orders they are valid, but then
		// damage can make a value of the key.
		if !ok || !put.Verified && f.num <= last {
			return rd.malformed(whole, "a put")
		}
		last = f.num
		switch {
		case f.is(1, protowire.BytesType):
			put.Key = f.content.bytes
		case f.is(2, protowire.BytesType):
			put.Value, put.Offset = f.content.bytes, f.content.at
		case f.is(3, protowire.VarintType):
			put.Lease = int64(f.number) //nolint:gosec // an int64 is written as these bits
		case !put.Verified && len(f.content.bytes) > 0:
			return rd.malformed(whole, "a put")
		}
	}
	rd.sum.Puts++
	return rd.each(put)
}

// passed takes note of a field that is not followed. If the entry is not verified, damage
// may have changed the field's number, and what it holds is unread.
func (rd *reader) passed(f field) error {
	if rd.put.Verified || len(f.content.bytes) == 0 {
		return nil
	}
	return rd.unread(f.content, int64(len(f.content.bytes)))
}
