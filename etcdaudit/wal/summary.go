package wal

import "fmt"

// Put is one put of a request that was proposed to raft, whether or not it was
// committed and whatever became of its transaction. Key and Value are views of the
// reader's buffer, valid until the function that they are given to returns. They must
// not be changed.
type Put struct {
	Key, Value []byte
	// Offset of the value in the file, in bytes. An empty value has none: 0.
	Offset int64
	// Index and Term are those of the raft entry. A segment can have an index more than
	// once: the later entry replaces the earlier one.
	Index, Term uint64
	// Lease is the id of the lease that the key is attached to; 0 for none.
	Lease int64
	// Failure is set in what a transaction, or one around it, does if its compares do
	// not hold.
	Failure bool
	// Verified is set if the entry's checksum fits. Without it the file is damaged, here
	// or just before: the key or the value may be wrong.
	Verified bool
}

// Ending is why reading did not go on.
type Ending int

// The endings. Only the first two are usual.
const (
	// EndOfFile: the last frame ends where the file does.
	EndOfFile Ending = iota
	// ZeroLength: zeros follow, which etcd has allocated and not yet written to; or what
	// an earlier, longer log left behind them.
	ZeroLength
	// Torn: the file ends within a frame.
	Torn
	// ImpossibleLength: no frame that etcd writes begins so.
	ImpossibleLength
	// TooDamaged: Unread would have had more than 1000 extents.
	TooDamaged
)

// String completes "reading ended: ".
func (e Ending) String() string {
	switch e {
	case EndOfFile:
		return "the file ends"
	case ZeroLength:
		return "zeros follow"
	case Torn:
		return "the file ends within a frame"
	case ImpossibleLength:
		return "what follows is no frame"
	case TooDamaged:
		return "too much of the file is damaged"
	default:
		return fmt.Sprintf("Ending(%d)", int(e))
	}
}

// Extent is a range of bytes of the file.
type Extent struct{ Offset, Length int64 }

// Damage is one place of the file that is not as etcd writes it. It holds no bytes of
// keys and values.
type Damage struct {
	// Offset in the file, in bytes.
	Offset int64
	Reason string
}

// Bounds on what a file of nothing but damage makes us keep.
const (
	maxDamage = 100
	maxUnread = 1000
)

// Summary is what a segment says beside its puts.
type Summary struct {
	// ClusterID and MemberID are 0 where there is no metadata record.
	ClusterID, MemberID uint64
	// Entries is how many raft entries there are, Puts how many puts they have.
	Entries, Puts int64
	// V2 is how many of the entries are requests of etcd's former API, which stored
	// nothing that Kubernetes writes. They are not read.
	V2 int64
	// FirstIndex and LastIndex are those of the first and the last entry.
	FirstIndex, LastIndex uint64
	// Commit is the last index that the segment shows to be committed.
	Commit uint64
	// Snapshots is how many snapshots the segment records, LastSnapshot the index of the
	// last one.
	Snapshots    int64
	LastSnapshot uint64
	// End is the offset at which reading ended, and Ending why. Of what is before, each put
	// was given or its bytes are in Unread. What is behind belongs together, and nothing of
	// it was given.
	End    int64
	Ending Ending
	// Unread are the extents before End that belong together and are not as etcd writes
	// them, in the order of the file.
	Unread []Extent
	// Damage are the first 100 damaged places, MoreDamage is how many there are beside
	// those. A torn end is none: the last write of a crashed etcd looks so.
	Damage     []Damage
	MoreDamage int64
}

func (s *Summary) damaged(offset int64, format string, args ...any) {
	if len(s.Damage) == maxDamage {
		s.MoreDamage++
		return
	}
	s.Damage = append(s.Damage, Damage{offset, fmt.Sprintf(format, args...)})
}
