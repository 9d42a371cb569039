package truth

import (
	"encoding/binary"
	"hash/crc32"
	"sort"

	"google.golang.org/protobuf/encoding/protowire"
)

// log is what etcd makes of a segment of its write-ahead log: the frames up to where it stops
// (etcd 3.7.3, server/storage/wal/decoder.go, encoder.go).
type log struct {
	frames []frame
	end    int64
}

// frame is one record; index and term are those of a raft entry, 0 of others.
type frame struct {
	from, to    int64
	index, term uint64
}

// Types of records.
const (
	entryRecord = 2
	crcRecord   = 4
)

func readLog(data []byte) *log {
	l := &log{}
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := uint32(0)
	for l.end+8 <= int64(len(data)) {
		// The low 56 bits are the length. Where the highest bit is set, the three lowest of the
		// highest byte are the number of bytes that fill up to eight.
		head := binary.LittleEndian.Uint64(data[l.end:])
		size, padding := int64(head&(1<<56-1)), int64(0)
		if head>>63 != 0 {
			padding = int64(head >> 56 & 7)
		}
		from := l.end + 8
		if size == 0 || size+padding > int64(len(data))-from {
			return l
		}
		numbers, content, ok := fields(data[from:from+size], 3)
		if !ok {
			return l
		}
		kind, sum := numbers[1], uint32(numbers[2]) //nolint:gosec // a CRC32 has 32 bits
		if kind == crcRecord {
			crc = sum // each segment begins with that of the one before it
		} else if crc = crc32.Update(crc, table, content); crc != sum {
			return l
		}
		f := frame{from: from, to: from + size}
		if kind == entryRecord {
			if entry, _, ok := fields(content, 4); ok {
				f.term, f.index = entry[2], entry[3]
			}
		}
		l.frames, l.end = append(l.frames, f), from+size+padding
	}
	return l
}

// fields reads the numbers of a flat message, by field, and its one field of bytes.
func fields(message []byte, bytesField protowire.Number) (numbers [8]uint64, content []byte, ok bool) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return numbers, nil, false
		}
		message = message[n:]
		switch {
		case kind == protowire.VarintType && field < 8:
			numbers[field], n = protowire.ConsumeVarint(message)
		case kind == protowire.BytesType && field == bytesField:
			content, n = protowire.ConsumeBytes(message)
		default:
			return numbers, nil, false
		}
		if n < 0 {
			return numbers, nil, false
		}
		message = message[n:]
	}
	return numbers, content, true
}

// at says what a place is; f is nil where no valid frame lies.
func (l *log) at(offset int64) (layer Layer, f *frame) {
	i := sort.Search(len(l.frames), func(i int) bool { return l.frames[i].to > offset })
	if i < len(l.frames) && l.frames[i].from <= offset {
		return Log, &l.frames[i]
	}
	return BehindLog, nil
}
