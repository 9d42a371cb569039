package wal

import (
	"strconv"
	"strings"
)

// SegmentSize is how large a segment grows before etcd begins the next one, in bytes
// (server/storage/wal/wal.go). The record that goes beyond it is still in it.
const SegmentSize = 64_000_000

// Kind is what a file in a WAL directory is, by its name.
type Kind int

// The kinds.
const (
	// Other is no file of the log, or one that was renamed.
	Other Kind = iota
	// Segment is one that etcd reads: "0000000000000001-00000000000009c4.wal".
	Segment
	// Preallocated is the space of a segment to come: "0.tmp" or "1.tmp".
	Preallocated
	// Broken is what a segment was before etcd cut its torn end: its name and ".broken".
	Broken
)

// Name is the name of a file in a WAL directory, taken apart.
type Name struct {
	Kind Kind
	// Sequence is the segment's number in the log, Index that of its first entry in
	// raft. Only segments and broken ones have them.
	Sequence, Index uint64
}

// ParseName takes the base name of a file apart (server/storage/wal/util.go,
// file_pipeline.go and repair.go).
func ParseName(name string) Name {
	if number, ok := strings.CutSuffix(name, ".tmp"); ok {
		if _, err := strconv.ParseUint(number, 10, 8); err == nil {
			return Name{Kind: Preallocated}
		}
		return Name{}
	}
	name, broken := strings.CutSuffix(name, ".broken")
	numbers, ok := strings.CutSuffix(name, ".wal")
	sequence, index, both := strings.Cut(numbers, "-")
	if !ok || !both || len(sequence) != 16 || len(index) != 16 {
		return Name{}
	}
	parsed := Name{Kind: Segment}
	if broken {
		parsed.Kind = Broken
	}
	var err error
	if parsed.Sequence, err = strconv.ParseUint(sequence, 16, 64); err != nil {
		return Name{}
	}
	if parsed.Index, err = strconv.ParseUint(index, 16, 64); err != nil {
		return Name{}
	}
	return parsed
}
