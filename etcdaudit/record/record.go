// Package record is the one shape between whatever reads etcd's data and everything
// that counts, judges or decrypts it. It is plain data; it does no I/O.
package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// Record is one version of one key.
//
// Key and Value are views: they belong to the Source that made the record, and are
// valid until the function that Source.Read has given them to returns. What has to
// outlive that is copied. They must not be changed.
type Record struct {
	Key, Value []byte
	// CreateRevision is the revision that created the key, ModRevision the one that
	// wrote this value; 0 where the source does not show it.
	CreateRevision, ModRevision int64
	// Version counts the writes since the key was created, from 1.
	Version int64
	// Lease is the id of the lease that the key is attached to; 0 for none.
	Lease int64
	// Tombstone is set where the key was deleted. Value is then empty.
	Tombstone bool
	// Head is set where Value is only the beginning of the value: the rest was not read, or is
	// overwritten.
	Head bool
	// Named is set where no key stands beside the value. Key is then made from the namespace
	// and the name that the object carries.
	Named bool
	// Within is set where the value lies inside the value of Key, which is another object.
	Within bool
	// Retracted is set for what was given before in the same reading, and counts no more: the
	// key was changed or deleted since. A source of live values gives it again, as it was.
	Retracted bool
	// Parsed is what Value is, valid as long; nil where the source leaves that to others.
	Parsed *storedvalue.Value
	Origin Origin
}

// Origin is where a record was found.
type Origin struct {
	Layer Layer
	// File and Offset, in bytes, say where the value begins. File is empty where key
	// and revision are all there is to say.
	File   string
	Offset int64
	// Index and Term are those of the raft entry that holds the value; 0 outside of the
	// write-ahead log.
	Index, Term uint64
}

// Source yields records of one layer or more. It is used by one goroutine.
type Source interface {
	// Scopes describes what Read reads, one scope for each layer. It may be asked at
	// any time and does no I/O. What only reading shows, such as the revision of a file, is
	// in it after Read.
	Scopes() []Scope
	// Read gives every record to add, a bounded number of bytes at a time. The slice
	// is used again for the next call, as are the bytes that the records show. Read
	// returns nil only if nothing within the scopes was left out. An error of add
	// ends the reading and is returned as it is.
	Read(ctx context.Context, add func([]Record) error) error
}

// Remains are what Read has met beside records, in one layer of a source.
type Remains struct {
	// Fragments are pieces of values whose beginning is overwritten: what they are of is not
	// known. FragmentBytes is their size, and Ends how many of them end as a Secret does.
	Fragments, FragmentBytes, Ends int64
	// First are the first of them, and Damage the first of what could not be read, of Damaged
	// in all.
	First   []Origin
	Damage  []Damage
	Damaged int64
}

// Damage is a place in a file that cannot be read as what it should be, and why.
type Damage struct {
	Origin Origin
	What   string
}

// MaxRemains is how many fragments, and how much damage, Remains lists.
const MaxRemains = 100

// AddFragment takes one more fragment.
func (r *Remains) AddFragment(at Origin, size int64, end bool) {
	r.Fragments++
	r.FragmentBytes += size
	if end {
		r.Ends++
	}
	if len(r.First) < MaxRemains {
		r.First = append(r.First, at)
	}
}

// AddDamage takes one more place that could not be read.
func (r *Remains) AddDamage(at Origin, what string) {
	r.Damaged++
	if len(r.Damage) < MaxRemains {
		r.Damage = append(r.Damage, Damage{Origin: at, What: what})
	}
}

// Leaver is a Source that meets more than records. Remains is asked after Read.
type Leaver interface {
	Remains() map[Layer]*Remains
}

// ErrRepeat is the error of Source.Read where what was given so far cannot be completed, and reading
// again from the beginning may end otherwise.
var ErrRepeat = errors.New("the reading has to begin anew")

// Part is what was read at one revision: the keys from From on, up to the next part.
type Part struct {
	From     string
	Revision int64
}

// What Scope.Copy says of backups. The others are what a member itself has received or put aside.
const (
	CopyOfDatabase = "copy of a database"
	CopySnapshot   = "snapshot"
)

// Scope is what is read of one layer. Nothing outside it is proven.
type Scope struct {
	Layer Layer
	// InUse is set where a process wrote to the files while they were read: what it has written
	// since is not in it.
	InUse bool
	// Copy is what kind of copy was read, such as "snapshot", where no member uses the file;
	// empty for etcd's own data.
	Copy string
	// As says how a file that its member writes to was read as it is at one moment, such as
	// "as https://192.0.2.1:2379 sent it"; empty where the file itself was read.
	As string
	// Sources are the endpoints or files that are read.
	Sources []Input
	// Member is the member whose file is read; empty for what all members have in common.
	Member string
	// ClusterID is etcd's own identity as etcdctl prints it, in hexadecimal; empty
	// where the source does not show it.
	ClusterID string
	// StandIn is what answers in place of etcd, such as "kine"; empty for etcd itself.
	StandIn string
	// Prefix of the keys that are read, with its last slash.
	Prefix string
	// Revision that every key is read at; 0 where there is no single one.
	Revision int64
	// Parts are what was read at different revisions, because etcd compacted the first ones
	// meanwhile; none where there was one revision. They were completed to Revision, unless
	// Inexact says why that was not possible.
	Parts   []Part
	Inexact string
	// Time is when the revision was taken or the file opened, by this machine's clock.
	Time time.Time
	// Keys is how many records the source counts within the scope, before it is read; 0
	// where it keeps no count.
	Keys int64
	// Outside is how many keys the same etcd holds elsewhere, which are not read; -1
	// if that is not known.
	Outside int64
	// Bytes is how much of the files is of the layer, and could be given back by clearing it, in
	// history with what is outside of Prefix; 0 if that is not known.
	Bytes int64
	// Cluster is what a database says of its cluster, and Log what a write-ahead log says of
	// itself; empty of other layers, and where it cannot be read.
	Cluster Cluster
	Log     Log
}

// Cluster is what etcd's own data says of its cluster.
type Cluster struct {
	// Version that all members have agreed on, such as "3.7.0"; empty if not known.
	Version string
	Members []Member
	// Index is that of the last raft entry in the database; 0 if not known.
	Index uint64
}

// Member is one member of a cluster, with the names that etcd stores it by.
type Member struct {
	// ID is the member's in hexadecimal. A restored cluster has other ids.
	ID         string   `json:"-"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner"`
}

// Log is what a write-ahead log says of itself.
type Log struct {
	// Segments is how many of them etcd uses, and Rest how many bytes of the last one no record
	// takes yet.
	Segments int
	Rest     int64
	// Index is that of the last raft entry, Snapshot that of the last snapshot of raft on disk.
	Index, Snapshot uint64
}

// Input is an endpoint, or a file with its hash, such as "sha256:…", and size.
type Input struct {
	Name, Hash string
	Bytes      int64
	// Modified is when the file was last written, by the clock of the machine that wrote it;
	// zero where that is not known.
	Modified time.Time
}

// ID names the scope within one report: "live:cdf818194e3a8c32:/registry/". One cluster
// can have many files of a layer, so their names are in it.
func (s Scope) ID() string {
	names := strings.Join(s.names(), ", ")
	of := cmp.Or(s.ClusterID, names)
	if s.ClusterID != "" && (s.Layer != Live || s.Member != "") {
		of += ":" + names
	}
	return fmt.Sprintf("%s:%s:%s", s.Layer, of, s.Prefix)
}

// OfFiles reports whether files were read, and not an etcd that runs: that shows live keys and
// history, and no number of bytes. A segment of a log can be empty.
func (s Scope) OfFiles() bool {
	return s.Layer == WAL || slices.ContainsFunc(s.Sources, func(from Input) bool { return from.Bytes > 0 })
}

// Store names what the data is of, whatever member or address was read: the cluster's
// id. Without one there are only the names of the sources, which another machine may
// have as well.
func (s Scope) Store() string {
	if s.ClusterID != "" {
		return s.ClusterID
	}
	return strings.Join(slices.Sorted(slices.Values(s.names())), ", ")
}

// Identity names the scope across reports. A snapshot taken later has the same one.
func (s Scope) Identity() []string { return []string{string(s.Layer), s.Store(), s.Member, s.Prefix} }

// names are those of the sources. Many files of one directory, as a write-ahead log has, are
// named by that.
func (s Scope) names() (names []string) {
	if dir := s.directory(); dir != "" {
		return []string{dir}
	}
	for _, input := range s.Sources {
		names = append(names, input.Name)
	}
	return names
}

// directory is where all files lie, if there are several and they lie in one directory.
func (s Scope) directory() (dir string) {
	if len(s.Sources) < 2 {
		return ""
	}
	for i, from := range s.Sources {
		of := path.Dir(from.Name)
		if !s.OfFiles() || i > 0 && of != dir {
			return ""
		}
		dir = of
	}
	return dir
}

// String says in one line what is read.
func (s Scope) String() string {
	of, at := strings.Join(s.names(), ", "), ""
	switch {
	case s.StandIn != "":
		of = fmt.Sprintf("%s, which stands in for etcd (%s)", s.StandIn, of)
	case s.ClusterID != "":
		of = fmt.Sprintf("etcd cluster %s (%s)", s.ClusterID, of)
	}
	if s.Revision != 0 {
		at = fmt.Sprintf(" at revision %d", s.Revision)
	}
	if n := len(s.Parts); n > 1 && s.Inexact == "" {
		at += fmt.Sprintf(" (read in %d parts, and completed with what changed meanwhile)", n)
	}
	if s.Inexact != "" {
		var revisions []string
		for _, part := range s.Parts {
			revisions = append(revisions, fmt.Sprintf("%d from %q on", part.Revision, part.From))
		}
		at = fmt.Sprintf(" at no single revision (%s; not exact: %s)", strings.Join(revisions, ", "), s.Inexact)
	}
	if s.Copy != "" {
		of = fmt.Sprintf("the %s %s", s.Copy, strings.Join(s.names(), ", "))
	}
	if s.As != "" {
		of += ", " + s.As
	}
	return fmt.Sprintf("%s%s of %s, keys under %s", s.Layer.Name(), at, of, s.Prefix)
}
