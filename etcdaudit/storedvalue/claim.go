package storedvalue

import (
	"bytes"
	"encoding/binary"
)

// A value can begin as an encrypted one does and hold an object that everyone can read. What
// providers write cannot be told from random bytes, and an object can: of true ciphertext less
// than one place in 2^80 looks like the beginning of one (the fewest bits that objectIn demands
// are those of protobuf: 4 bytes that mark it and 6 tags), so that of 2^30 values of 1 KiB less
// than one in 2^40 stores has one.

// Lengths of sequences of bytes below 0x80. Each Secret has one of shortText: in protobuf that is
// the mark with the type. What an API server has written has one of longText: the uid and what is
// around it. The other encodings consist of longer ones.
const (
	shortText = len(protobufPrefix) + len("\x0a\x0c\x0a\x02v1\x12\x06Secret\x12")
	longText  = 39
	// nearBytes is how many bytes at the beginning are looked at for shortText; the rest only for
	// longText, which takes less time.
	nearBytes = 128
)

// mayHoldObject reports whether b has text as objects do. Nearly every ciphertext is decided by it.
func mayHoldObject(b []byte) bool {
	return hasText(b[:min(len(b), nearBytes)], shortText) || hasText(b, longText)
}

// hasText reports whether so much text is in b. It reads words of 8 bytes of which each such text
// has one as a whole.
func hasText(b []byte, length int) bool {
	const (
		word = 8
		high = 0x8080808080808080
	)
	for at, last := 0, len(b)-word; at <= last; at += length - word + 1 {
		if binary.LittleEndian.Uint64(b[at:])&high == 0 && textAround(b, at, length) {
			return true
		}
	}
	return false
}

// textAround reports whether the text that an offset is in has so many bytes.
func textAround(b []byte, at, length int) bool {
	start, end := at, at
	for start > 0 && b[start-1] < 0x80 && end-start < length {
		start--
	}
	for end < len(b) && b[end] < 0x80 && end-start < length {
		end++
	}
	return end-start >= length
}

// mostTries bounds what bytes made for it can cost: so many beginnings of each kind are looked at.
const mostTries = 16

// objectIn returns the format of an object in plaintext that begins anywhere in b.
func objectIn(b []byte) (Format, bool) {
	for _, begin := range []struct {
		text   string
		format Format
		read   func([]byte) Object
	}{
		{protobufPrefix, Protobuf, readProtobuf},
		{cborPrefix, CBOR, readCBOR},
		{"{", JSON, func(b []byte) Object { return ReadJSON(b, 0) }},
		{"apiVersion:", YAML, func(b []byte) Object { return ReadYAML(b, YAMLText{}) }},
		{"kind:", YAML, func(b []byte) Object { return ReadYAML(b, YAMLText{}) }},
	} {
		for at, tries := 0, 0; tries < mostTries; at++ {
			next := bytes.Index(b[at:], []byte(begin.text))
			if next < 0 {
				break
			}
			at += next
			// In ciphertext a brace is everywhere.
			if begin.format == JSON && (at+1 == len(b) || b[at+1] != '"' && !spaceByte(b[at+1])) {
				continue
			}
			tries++
			if o := begin.read(b[at:]); len(o.Kind) > 0 && len(o.APIVersion) > 0 && (len(o.Name) > 0 || o.Data) {
				return begin.format, true
			}
		}
	}
	return Unrecognised, false
}
