// Package timeline works out how long Secrets were readable in etcd: from which write on a value
// was stored in plaintext, until what replaced it. Nothing in etcd says when a value was
// written, so both ends have bounds, each with what it rests on.
//
// It takes every sighting of a Secret in any layer, readable or not, in any order, and puts
// together what is the same. Of a value it keeps an HMAC under a key of its own run, which
// leaves neither the memory nor an unlinked file. It decides by pure functions; the only I/O is
// that file.
//
// Times are those of the API servers' clocks. They may differ from each other, from those of the
// machines that wrote files, and from the truth, by an allowance that every bound has in it.
package timeline

import (
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Source is what a bound rests on.
type Source string

// The sources. A clock is a line through the other ones: what was written between two writes of
// known times was written between these times.
const (
	RevisionClock Source = "revision clock"
	LogClock      Source = "order of the log"
	Creation      Source = "creationTimestamp"
	ManagedFields Source = "managedFields"
	RenewTime     Source = "renewTime of the API server's Lease"
	FileTime      Source = "file time"
	ReadingTime   Source = "time of the scan"
)

// Bound is one bound on a time that is stored nowhere. Without a time there is none.
type Bound struct {
	Time   time.Time
	Source Source
}

// Bounds enclose a time.
type Bounds struct{ NotBefore, NotAfter Bound }

// Interval is a time in which a Secret was readable. From is when the first of the values was
// written that are known of it, or one before it that was readable too; Until is when the last
// of them was replaced by something else than plaintext, or deleted. Versions between them of
// which nothing is known are taken for readable.
type Interval struct {
	From, Until Bounds
	// Still is set where the last value is what API servers read, as of the newest source.
	// Until has no bounds then.
	Still bool
}

// Secret is one object that was readable.
type Secret struct {
	Path, Namespace, Name string
	// Readable are in the order of their beginnings, but that one that has not ended is the
	// last. Omitted is how many more there are, before the last one.
	Readable []Interval
	Omitted  int
	// Values is how many different ones are found in plaintext. Values that agree in their
	// first 4 KiB are taken for one.
	Values int
	// Places are the ids of those in which plaintext of it was found, in their order.
	Places []int
}

// Place is one layer of one source.
type Place struct {
	Layer record.Layer
	// Prefix of the keys, with or without its last slash.
	Prefix string
}
