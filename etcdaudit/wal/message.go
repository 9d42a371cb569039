package wal

import "google.golang.org/protobuf/encoding/protowire"

// message is the rest of a protobuf message, and where it begins in the file.
type message struct {
	bytes []byte
	at    int64
}

// field is one field of a message: a number, or content. That of the types that etcd
// does not use is content as well, lest damage hides something in it.
type field struct {
	num     protowire.Number
	typ     protowire.Type
	number  uint64
	content message
}

// is reports whether the field has this number and type. Protobuf takes a known number
// of another type for an unknown field.
func (f *field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// next takes the first field off. It returns false where the bytes are not protobuf,
// and m is then what cannot be read.
func (m *message) next() (f field, ok bool) {
	num, typ, tag := protowire.ConsumeTag(m.bytes)
	if tag < 0 {
		return field{}, false
	}
	f.num, f.typ = num, typ
	rest := m.bytes[tag:]
	var n int
	switch typ {
	case protowire.VarintType:
		f.number, n = protowire.ConsumeVarint(rest)
	case protowire.BytesType:
		var content []byte
		content, n = protowire.ConsumeBytes(rest)
		f.content = message{content, m.at + int64(tag+n-len(content))}
	default:
		n = protowire.ConsumeFieldValue(num, typ, rest)
		f.content = message{rest[:max(n, 0)], m.at + int64(tag)}
	}
	if n < 0 {
		return field{}, false
	}
	m.bytes, m.at = rest[n:], m.at+int64(tag+n)
	return f, true
}
