package record

import "context"

// Comparer is a Source that can compare the members of its cluster. It is asked after Read.
type Comparer interface {
	// Compare returns nil where no comparison was asked for.
	Compare(context.Context) *Comparison
}

// Comparison is what the members of a cluster have, compared at one revision.
type Comparison struct {
	Revision int64
	Members  []Compared
	// Why is why nothing could be compared; empty if something was.
	Why string
	// Differ is set where members that were compared do not have the same data. Keys are the
	// first of those under the prefix that differ, of Differing in all; there are none where
	// only older revisions, or keys elsewhere, differ.
	Differ    bool
	Keys      []string
	Differing int64
	// ByReading is set where keys, their revisions and HMACs of their values were compared, and
	// not the hashes that the members have computed.
	ByReading bool
}

// Compared is one member of a cluster in a comparison.
type Compared struct {
	// ID is as etcdctl prints it, and Endpoint the address that was asked.
	ID, Name, Endpoint string
	// NotCompared is why it is not in the comparison; empty if it is.
	NotCompared string
	// Learner is set for one that does not vote yet: it may lack data, and is not compared.
	Learner bool
}

// MaxDiffering is how many keys a Comparison lists.
const MaxDiffering = 100
