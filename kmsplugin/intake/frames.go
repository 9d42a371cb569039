package intake

import "encoding/binary"

// Frame types, the flag and the sizes that matter here (RFC 9113, 3.4, 4.1, 6).
const (
	typeData      = 0x0
	typeHeaders   = 0x1
	typeRSTStream = 0x3

	flagEndStream = 0x1

	prefaceSize = 24
	headerSize  = 9
)

// frame is the content of a frame header.
type frame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
}

// ends reports whether this is the sender's last frame on the stream.
func (f frame) ends() bool {
	return f.kind == typeRSTStream || (f.kind == typeData || f.kind == typeHeaders) && f.flags&flagEndStream != 0
}

// frames finds frames in bytes that arrive in pieces.
type frames struct {
	skip   int // bytes until the next header
	header [headerSize]byte
	have   int // bytes of header that have arrived
}

// between reports whether the next byte begins a frame.
func (f *frames) between() bool { return f.skip == 0 && f.have == 0 }

// next takes bytes from the front of p, up to the end of a frame or of its header.
// It returns how many it took, and the frame if one has begun.
func (f *frames) next(p []byte) (n int, begun frame, ok bool) {
	if f.skip > 0 {
		n = min(f.skip, len(p))
		f.skip -= n
		return n, frame{}, false
	}
	n = copy(f.header[f.have:], p)
	if f.have += n; f.have < headerSize {
		return n, frame{}, false
	}
	f.have = 0
	h := f.header
	begun = frame{
		length: int(h[0])<<16 | int(h[1])<<8 | int(h[2]),
		kind:   h[3], flags: h[4],
		stream: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31), // a reserved bit
	}
	f.skip = begun.length
	return n, begun, true
}
