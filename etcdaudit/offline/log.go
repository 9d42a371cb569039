package offline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// logSource reads the segments of one write-ahead log: every value that an entry writes, and
// what lies behind the last entry of each segment.
type logSource struct {
	segments        []logSegment
	cluster, member string // in hexadecimal
	prefix          []byte // with its last slash
	scope           record.Scope
	remains         record.Remains
	search          *carve.Searcher
	add             func(int)
	unhashed        bool
}

type logSegment struct {
	name string
	file *os.File
	size int64
}

var _ record.Leaver = (*logSource)(nil)

// headOfLog is enough for the first records of a segment, which name cluster and member.
const headOfLog = 4096

func (s *Set) openLog(ctx context.Context, f found, o Options) (*logSource, error) {
	if len(f.segments) == 0 {
		return nil, nil
	}
	l := &logSource{scope: record.Scope{Layer: record.WAL, Copy: f.copy, Time: o.Now(), Outside: -1}, add: o.Progress, unhashed: o.Unhashed}
	for _, segment := range f.segments {
		in, opened, err := s.openFile(ctx, segment, o)
		if err != nil {
			return nil, err
		}
		l.segments = append(l.segments, logSegment{opened.name, in, opened.size})
		l.scope.Sources = append(l.scope.Sources, record.Input{Name: opened.name, Bytes: opened.size, Modified: opened.modified})
		l.scope.Bytes += opened.size
		info, err := in.Stat()
		if err != nil {
			return nil, &Error{What: "look at " + opened.name, Err: reason(err)}
		}
		l.scope.InUse = l.scope.InUse || writtenTo(in) || usedBy(info) != 0
		head, err := wal.Read(ctx, in, min(opened.size, headOfLog), func(wal.Put) error { return nil })
		if err != nil {
			return nil, &Error{What: "read " + opened.name, Err: reason(err)}
		}
		if head.ClusterID == 0 {
			continue
		}
		cluster, member := fmt.Sprintf("%x", head.ClusterID), fmt.Sprintf("%x", head.MemberID)
		if l.cluster != "" && (cluster != l.cluster || member != l.member) {
			return nil, &Error{
				What: fmt.Sprintf("%s is of member %s of cluster %s, and %s of member %s of cluster %s", l.segments[0].name, l.member, l.cluster, opened.name, member, cluster),
				Do:   "keep the files of one member in one directory",
			}
		}
		l.cluster, l.member = cluster, member
	}
	l.scope.ClusterID, l.scope.Member = l.cluster, l.member
	l.setPrefix(o.Prefix, o)
	return l, nil
}

func (l *logSource) setPrefix(prefix string, o Options) {
	name := strings.TrimRight(prefix, "/")
	if name == "" {
		name = usual()[0]
	}
	l.prefix = []byte(name + "/")
	l.scope.Prefix = string(l.prefix)
	l.search = carve.New(carve.Options{Prefix: name, Resources: o.Resources})
}

// Scopes returns the one scope of the log.
func (l *logSource) Scopes() []record.Scope { return []record.Scope{l.scope} }

// Remains returns what was met beside records.
func (l *logSource) Remains() map[record.Layer]*record.Remains {
	return map[record.Layer]*record.Remains{record.WAL: &l.remains}
}

// Read reads every segment in the order of the names, which is that of the entries.
func (l *logSource) Read(ctx context.Context, add func([]record.Record) error) error {
	var outside int64
	for i, segment := range l.segments {
		others, err := l.read(ctx, i, segment, add)
		if err != nil {
			return l.failed(ctx, segment, err)
		}
		outside += others
	}
	l.scope.Outside = outside
	return nil
}

// read reads segment i. It returns how many puts there are of keys outside of the prefix.
func (l *logSource) read(ctx context.Context, i int, segment logSegment, add func([]record.Record) error) (outside int64, err error) {
	before, err := segment.file.Stat()
	if err != nil {
		return 0, &Error{What: "look at " + segment.name, Err: reason(err)}
	}
	size := segment.size
	if l.unhashed {
		size = 0
	}
	hashing := startHash(ctx, segment.file, size)
	defer hashing.stop()
	in := count(segment.file, l.add)
	sum, outside, err := l.entries(ctx, segment.name, in, segment.size, add)
	if err != nil {
		return 0, err
	}
	if wal.ParseName(filepath.Base(segment.name)).Kind == wal.Segment {
		of := &l.scope.Log
		of.Segments, of.Rest = of.Segments+1, max(0, wal.SegmentSize-sum.End)
		of.Index, of.Snapshot = max(of.Index, sum.LastIndex), max(of.Snapshot, sum.LastSnapshot)
	}
	if what := unlike(segment, sum); what != "" && !l.scope.InUse {
		l.remains.AddDamage(record.Origin{Layer: record.WAL, File: segment.name, Offset: sum.End}, what)
	}
	for _, at := range sum.Damage {
		l.remains.AddDamage(record.Origin{Layer: record.WAL, File: segment.name, Offset: at.Offset}, at.Reason)
	}
	l.remains.Damaged += sum.MoreDamage
	// What is damaged, and what lies behind the last entry, is searched byte by byte.
	at := record.Origin{Layer: record.WAL, File: segment.name}
	for _, extent := range append(sum.Unread, wal.Extent{Offset: sum.End, Length: segment.size - sum.End}) {
		if err := objects(ctx, l.search, in, at, string(l.prefix), extent.Offset, extent.Offset+extent.Length, add); err != nil {
			return 0, err
		}
	}
	hash, err := hashing.wait()
	if err != nil {
		return 0, err
	}
	after, err := segment.file.Stat()
	if err != nil {
		return 0, &Error{What: "look at " + segment.name, Err: reason(err)}
	}
	if after.Size() != segment.size || !after.ModTime().Equal(before.ModTime()) {
		l.scope.InUse = true
		return outside, nil // the hash would be that of no state of the file
	}
	if !l.unhashed {
		l.scope.Sources[i].Hash = fmt.Sprintf("sha256:%x", hash.Sum(nil))
	}
	return outside, nil
}

// unlike says in which way a segment does not begin or end as etcd leaves one, also when it is
// killed: what its damaged part held is not known. A crash leaves zeros behind the last record.
func unlike(s logSegment, sum wal.Summary) string {
	switch kind := wal.ParseName(filepath.Base(s.name)).Kind; {
	case kind != wal.Segment:
		return ""
	case sum.ClusterID == 0:
		return "the segment does not begin with the records that name its member"
	case sum.Ending == wal.ImpossibleLength, sum.Ending == wal.Torn && s.size < wal.SegmentSize:
		return "behind this record the segment is damaged: " + sum.Ending.String()
	}
	return ""
}

func (l *logSource) failed(ctx context.Context, s logSegment, err error) error {
	var read *os.PathError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("read %s: %w", s.name, context.Cause(ctx))
	case errors.As(err, &read):
		return &Error{What: "read " + s.name, Err: read.Err, Do: "is its disk damaged?"}
	}
	return err
}
