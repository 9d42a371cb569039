package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	frameHeader = 8
	// maxRecord is the largest record that is read, in bytes. etcd takes requests of at
	// most 1.5 MiB unless --max-request-bytes says otherwise.
	maxRecord = 64 << 20
	// maxFrame is as much as is in memory of one frame: with padding, and the length of the
	// next one.
	maxFrame = frameHeader + maxRecord + 7 + frameHeader
)

// Types of walpb.Record (server/storage/wal/wal.go).
const (
	typeMetadata = 1 + iota
	typeEntry
	typeState
	typeChecksum
	typeSnapshot
)

// Both end the reading, and are no errors to its caller.
var (
	errTooDamaged = errors.New("no room for another extent")
	errNoFrame    = errors.New("the length of a damaged frame leads to no other")
)

// reader reads one segment.
type reader struct {
	window window
	each   func(Put) error
	sum    Summary
	table  *crc32.Table
	// chain is the checksum of all records up to here. It is not known at the beginning,
	// and behind a record that could not be read.
	chain uint32
	known bool
	// put has what is the same for all puts of an entry.
	put Put
	// noted is how many puts there were when an extent was last added to Unread.
	noted int64
}

// Read gives every put of the segment to each, in the order of the file. The size is
// that of the file in bytes; where the file turns out to be shorter, it ends there. A
// file that is no segment at all ends at offset 0.
//
// An error is one of reading, of each (returned as it is) or of ctx. What was found up to
// there is in the Summary also then; End is the frame at which it happened.
func Read(ctx context.Context, r io.ReaderAt, size int64, each func(Put) error) (Summary, error) {
	rd := &reader{window: window{r: r, size: size}, each: each, table: crc32.MakeTable(crc32.Castagnoli)}
	err := rd.frames(ctx)
	if errors.Is(err, errTooDamaged) {
		err = nil
	}
	return rd.sum, err
}

// frames reads frame after frame until there is no further one.
func (rd *reader) frames(ctx context.Context) error {
	w := &rd.window
	for checked := int64(-windowSize); ; {
		if w.at-checked >= windowSize {
			if err := ctx.Err(); err != nil {
				return err
			}
			checked = w.at
		}
		rd.sum.End = w.at
		header, err := w.view(frameHeader)
		if err != nil {
			return err
		}
		if len(header) == 0 {
			rd.sum.Ending = EndOfFile
			return nil
		}
		if len(header) < frameHeader {
			rd.end(Torn)
			return nil
		}
		record, padding, ending := frameSize(binary.LittleEndian.Uint64(header), w.left()-frameHeader)
		if ending != EndOfFile {
			rd.end(ending)
			return nil
		}
		length := frameHeader + record + padding
		if record > maxRecord {
			rd.sum.damaged(w.at, "a record of %d bytes", record)
			rd.known = false
			if err := rd.unread(message{at: w.at}, length); err != nil {
				return err
			}
			w.pass(length)
			continue
		}
		frame, err := w.view(int(length) + frameHeader)
		if err != nil { // what is behind cannot be read, this frame perhaps can
			frame, err = w.view(int(length))
		}
		if err != nil {
			return err
		}
		if int64(len(frame)) < length {
			rd.end(Torn)
			return nil
		}
		err = rd.record(message{frame[frameHeader : frameHeader+record], w.at + frameHeader}, followed(frame[length:], w.left()-length))
		if errors.Is(err, errNoFrame) {
			rd.end(ImpossibleLength)
			return nil
		}
		if err != nil {
			return err
		}
		w.pass(length)
	}
}

// end ends the reading at a place where no frame follows. If what is before could not be
// read, the length there may have been wrong: then all from there on belongs together.
func (rd *reader) end(ending Ending) {
	rd.sum.Ending = ending
	for n := len(rd.sum.Unread) - 1; n >= 0; n-- {
		last := rd.sum.Unread[n]
		if last.Offset+last.Length < rd.sum.End-7 { // but for padding
			return
		}
		rd.sum.End, rd.sum.Unread = last.Offset, rd.sum.Unread[:n]
	}
}

// frameSize takes a frame's length apart. left is how much of the file follows it. The
// ending is EndOfFile if there is a frame.
func frameSize(field uint64, left int64) (record, padding int64, ending Ending) {
	if field == 0 {
		return 0, 0, ZeroLength
	}
	record = int64(field & (1<<56 - 1))
	switch high := field >> 56; {
	case high >= 0x81 && high <= 0x87:
		padding = int64(high & 7)
	case high != 0:
		return 0, 0, ImpossibleLength
	}
	switch {
	case record == 0 || (record+padding)%8 != 0:
		return 0, 0, ImpossibleLength
	case record+padding > left && record > maxRecord:
		return 0, 0, ImpossibleLength
	case record+padding > left:
		return 0, 0, Torn
	}
	return record, padding, EndOfFile
}

// followed reports whether the bytes behind a frame can be what follows one. left is how
// much of the file they begin.
func followed(next []byte, left int64) bool {
	if len(next) < frameHeader {
		return len(next) == 0
	}
	_, _, ending := frameSize(binary.LittleEndian.Uint64(next), left-frameHeader)
	return ending == EndOfFile || ending == ZeroLength
}

// record reads a walpb.Record. If it is damaged, its length may be too: what follows shows
// whether it can be right.
func (rd *reader) record(m message, followed bool) error {
	var (
		kind, checksum uint64
		data           message
		whole          = m
	)
	for len(m.bytes) > 0 {
		f, ok := m.next()
		if !ok {
			rd.known = false
			return rd.malformed(whole, "a record")
		}
		switch {
		case f.is(1, protowire.VarintType):
			kind = f.number
		case f.is(2, protowire.VarintType):
			checksum = f.number
		case f.is(3, protowire.BytesType):
			data = f.content
		default: // the checksum is of data only
			rd.known = false
			return rd.malformed(whole, "a record")
		}
	}
	// Protobuf keeps the low 32 bits of a uint32.
	verified := rd.verify(whole.at, kind, uint32(checksum), data.bytes)
	if !verified && !followed {
		return errNoFrame
	}
	switch kind {
	case typeEntry:
		return rd.entry(data, verified)
	case typeMetadata, typeState, typeSnapshot, typeChecksum:
		return rd.numbers(int(kind), data)
	default:
		rd.sum.damaged(whole.at, "a record of the unknown type %d", int64(kind))
		return rd.unread(whole, int64(len(whole.bytes)))
	}
}

// verify compares a record's checksum. The next record is compared with what this one
// says, so that damage of one is not blamed on all that follow.
func (rd *reader) verify(at int64, kind uint64, checksum uint32, data []byte) bool {
	first := at == frameHeader
	switch {
	case kind == typeChecksum && first: // that of the segment before, which is not read
		rd.chain, rd.known = checksum, true
		return true
	case first:
		rd.sum.damaged(at, "the first record is not a checksum")
	}
	fits := rd.known
	if rd.known && crc32.Update(rd.chain, rd.table, data) != checksum {
		rd.sum.damaged(at, "the checksum of a record does not fit")
		fits = false
	}
	rd.chain, rd.known = checksum, true
	return fits
}

// unread notes bytes that could not be read. The extent has the given length, in bytes.
func (rd *reader) unread(m message, length int64) error {
	n := len(rd.sum.Unread)
	if n > 0 && rd.noted == rd.sum.Puts {
		// Where only a tag and a length are between two extents, these may be damage too.
		if last := &rd.sum.Unread[n-1]; m.at-last.Offset-last.Length < frameHeader {
			last.Length = m.at + length - last.Offset
			return nil
		}
	}
	if n == maxUnread {
		rd.sum.End, rd.sum.Ending = m.at, TooDamaged
		return errTooDamaged
	}
	rd.noted = rd.sum.Puts
	rd.sum.Unread = append(rd.sum.Unread, Extent{m.at, length})
	return nil
}

// malformed notes a message that is not protobuf, or the rest of one.
func (rd *reader) malformed(m message, what string) error {
	rd.sum.damaged(m.at, "%s cannot be decoded", what)
	return rd.unread(m, int64(len(m.bytes)))
}
