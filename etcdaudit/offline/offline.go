package offline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Options says how files are read.
type Options struct {
	// Prefix of the Kubernetes keys; empty to find it.
	Prefix string
	// WALDir is where the write-ahead log of a data directory lies, if it is elsewhere.
	WALDir string
	// WorkDir is where compressed files are decompressed to; empty for none. What is
	// written there has no name, and is gone when the Set is closed.
	WorkDir string
	// Optional is set where the paths were found and not named: what cannot be read is Skipped.
	Optional bool
	// Declared is set where all files in the directories are declared to be copies: what is not
	// recognised is Skipped, whatever its name.
	Declared bool
	// Snapshot writes what etcd's Snapshot RPC sends of the member with these ids, in
	// hexadecimal, and says which endpoint has sent it; nil if no etcd is to be asked. It is used
	// for a database that is in use, and its file is in WorkDir.
	Snapshot func(ctx context.Context, cluster, member string, w io.Writer) (endpoint string, err error)
	// Memory is how much the set of a database's keys may take, in bytes: 11 to 22 for each.
	// 0 is no bound.
	Memory int64
	// Resources are those beyond Secrets that have to be encrypted.
	Resources []carve.Resource
	// Progress is told how many more bytes were read, by several goroutines; it may be nil.
	Progress func(bytes int)
	// Unhashed leaves out the hash of each file, by which a report can be compared with it: for
	// measuring what the rest takes.
	Unhashed bool
	Now      func() time.Time
}

// Set is what was found under the paths that were given.
type Set struct {
	Sources []record.Source
	// Bytes is the size of all files.
	Bytes int64
	// Skipped are files and directories that were found and cannot be read, and why.
	Skipped []string
	// Chosen says what was chosen where nothing was given, such as the prefix.
	Chosen []string

	files []*os.File
	read  []file // what is read, so that nothing is read twice
}

// Open finds what the paths lead to and looks at the beginning of each file. It returns an
// error for a path that was given and leads nowhere, or is the only one and leads to nothing of
// etcd's that can be read; of several, such a one is Skipped. A file that they lead to twice, by
// whatever names, is read once, and Chosen says so.
func Open(ctx context.Context, paths []string, o Options) (*Set, error) {
	s := &Set{}
	if err := s.open(ctx, paths, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the files.
func (s *Set) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

func (s *Set) open(ctx context.Context, paths []string, o Options) error {
	// Directories first: a database of one is then read with the log beside it.
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	for _, path := range paths {
		err := s.path(ctx, path, o)
		switch {
		case err == nil:
		case !o.Optional && (len(paths) == 1 || errors.Is(err, fs.ErrNotExist)): // a mistyped name is said at once
			return err
		case !s.skip(ctx, err):
			return err
		}
	}
	if len(s.Sources) == 0 && len(s.Skipped) > 0 && !o.Optional {
		return &Error{What: "nothing of what was named can be read", Err: errors.New(strings.Join(s.Skipped, "; "))}
	}
	return nil
}

// path adds what one path leads to.
func (s *Set) path(ctx context.Context, path string, o Options) error {
	all, skipped, err := find(path, o.WALDir, o.Declared)
	if err != nil {
		return err
	}
	before := len(s.read)
	for _, f := range all {
		if f = s.once(f); f.database.name == "" && len(f.segments) == 0 {
			before = -1 // it is read, by another name
			continue
		}
		err := s.add(ctx, f, o)
		if unread := (*Error)(nil); len(all) > 1 && errors.As(err, &unread) && ctx.Err() == nil {
			skipped = append(skipped, err)
			continue
		}
		if err != nil {
			return err
		}
		s.read = append(append(s.read, f.segments...), f.database)
	}
	if len(s.read) == before && len(skipped) > 0 && !o.Optional {
		return skipped[0]
	}
	for _, err := range skipped {
		s.Skipped = append(s.Skipped, err.Error())
	}
	return nil
}

// skip notes what cannot be read, and reports whether the rest can be read all the same.
func (s *Set) skip(ctx context.Context, err error) bool {
	var unread *Error
	if !errors.As(err, &unread) || ctx.Err() != nil {
		return false
	}
	s.Skipped = append(s.Skipped, err.Error())
	return true
}

func rank(path string) int {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return 0
	}
	return 1
}

// once leaves out what is read already by another name: a link in a folder, or a part of a
// directory that is named beside it.
func (s *Set) once(f found) found {
	taken := func(this file) bool {
		i := slices.IndexFunc(s.read, func(other file) bool {
			return other.info != nil && this.info != nil && os.SameFile(other.info, this.info)
		})
		if i >= 0 {
			s.Chosen = append(s.Chosen, this.name+" is the same file as "+s.read[i].name+", which is read once")
		}
		return i >= 0
	}
	if taken(f.database) {
		f.database = file{}
	}
	f.segments = slices.DeleteFunc(slices.Clone(f.segments), taken)
	return f
}

// add makes the sources of files that belong together.
func (s *Set) add(ctx context.Context, f found, o Options) error {
	log, err := s.openLog(ctx, f, o)
	if err != nil {
		return err
	}
	if log != nil && log.scope.InUse {
		f.copy, log.scope.Copy = "", "" // what a member uses is no copy, wherever it was found
	}
	var d *databaseSource
	if f.database.name != "" {
		d, err = s.openDatabase(ctx, f, log, o)
		switch {
		case err == nil:
			s.Sources = append(s.Sources, d)
		case log == nil || !s.skip(ctx, err): // a log is read without its database
			return err
		}
	}
	if log == nil {
		return nil
	}
	if o.WALDir != "" && d != nil && !d.knows(log.member) {
		return &Error{
			What: fmt.Sprintf("the log in %s is of member %s of cluster %s, which %s does not know", o.WALDir, log.member, log.cluster, d.name),
			Do:   "name the directory of this member's own log with --wal-dir",
		}
	}
	s.Sources = append(s.Sources, log)
	prefix := ""
	if d != nil {
		d.of(log.cluster, log.member)
		prefix = d.found
	}
	if o.Prefix != "" {
		return nil
	}
	// A log alone, or beside a database that is broken, has to tell the prefix itself.
	if prefix == "" {
		if prefix, err = prefixOfLog(ctx, log.segments); err != nil {
			return err
		}
		s.chose(prefix, filepath.Dir(log.segments[0].name))
		if d != nil {
			d.setPrefix(prefix, o)
		}
	}
	log.setPrefix(prefix, o)
	return nil
}

// chose says which prefix was found, if it is not the usual one.
func (s *Set) chose(prefix, in string) {
	if prefix != "" && prefix != usual()[0] {
		s.Chosen = append(s.Chosen, fmt.Sprintf("keys under %s, as %s has them", prefix, in))
	}
}

// openFile opens a file, decompressed.
func (s *Set) openFile(ctx context.Context, f file, o Options) (*os.File, file, error) {
	in, err := os.Open(f.name)
	if err != nil {
		return nil, f, &Error{What: "open " + f.name, Err: reason(err), Do: access(err)}
	}
	info, err := in.Stat()
	if err != nil {
		_ = in.Close()
		return nil, f, &Error{What: "look at " + f.name, Err: reason(err)}
	}
	f.modified = info.ModTime()
	if f.packed() {
		out, err := unpack(ctx, f.name, in, f.kind, o.WorkDir)
		_ = in.Close()
		if err != nil {
			return nil, f, err
		}
		s.files = append(s.files, out)
		head := make([]byte, headSize)
		n, err := out.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, f, &Error{What: "read " + f.name, Err: reason(err)}
		}
		info, err := out.Stat()
		if err != nil {
			return nil, f, &Error{What: "look at " + f.name, Err: reason(err)}
		}
		f.size = info.Size()
		if f.kind = recognise("", head[:n], f.size); f.kind != database && f.kind != snapshot {
			return nil, f, &Error{What: f.name + " holds no database and no snapshot of etcd"}
		}
		s.Bytes += f.size
		return out, f, nil
	}
	s.files = append(s.files, in)
	s.Bytes += f.size
	return in, f, nil
}

// counted tells how much was read.
type counted struct {
	io.ReaderAt
	add func(int)
}

func count(r io.ReaderAt, add func(int)) io.ReaderAt {
	if add == nil {
		return r
	}
	return counted{r, add}
}

func (c counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.add(n)
	return n, err
}
