// Package protofield walks over a protobuf message without its generated type, and without
// copying: for answers of which little is needed, or that come by the million.
package protofield

import "google.golang.org/protobuf/encoding/protowire"

// Each calls visit for each field of a message in its order: with its number if it is a varint, and
// with its bytes, which are a view of the message, if it has a length. Fields of another kind
// have neither. An error is that of visit, as it is, or says that the message is damaged; the
// fields before that were visited.
func Each(message []byte, visit func(n protowire.Number, number uint64, bytes []byte) error) error {
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(num, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := visit(num, number, bytes); err != nil {
			return err
		}
	}
	return nil
}
