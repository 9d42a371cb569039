package offline

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// Bounds on a search for copies below a directory.
const (
	deepest     = 6
	mostEntries = 20_000
	mostFound   = 500
)

// search finds copies below a directory, but for those in taken, and in log if that is not
// empty. Files are told by their bytes, not by their names: but one that is recognised by nothing is
// skipped where its name is that of a copy, or where all of them are declared to be copies. Links to
// files are followed, those to directories are not.
func search(dir, taken, log string, declared bool) (all []found, skipped []error, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, nil, &Error{What: "look at " + dir, Err: reason(err), Do: access(err)}
	}
	if taken != "" {
		if taken, err = filepath.EvalSymlinks(taken); err != nil {
			return nil, nil, &Error{What: "look at " + taken, Err: reason(err), Do: access(err)}
		}
	}
	if log != "" {
		if log, err = filepath.EvalSymlinks(log); err != nil {
			return nil, nil, &Error{What: "look at " + log, Err: reason(err), Do: access(err)}
		}
	}
	s := searched{logs: map[string]*found{}, log: log, declared: declared}
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			s.skip(&Error{What: "look at " + name, Err: reason(err), Do: access(err)})
			return nil
		}
		if s.entries++; s.entries > mostEntries || len(s.all) >= mostFound {
			s.skip(fmt.Errorf("%s and what follows: more than %d files and directories, or %d copies", name, mostEntries, mostFound))
			return fs.SkipAll
		}
		if !entry.IsDir() {
			s.file(name, entry)
			return nil
		}
		below, _ := filepath.Rel(dir, name)
		switch {
		case taken == dir && (name == filepath.Join(dir, "snap") || name == filepath.Join(dir, "wal")), name == taken && taken != dir:
			return fs.SkipDir
		case strings.Count(below, string(filepath.Separator)) >= deepest:
			s.skip(&Error{What: fmt.Sprintf("%s is more than %d directories deep", name, deepest), Do: "name it as well"})
			return fs.SkipDir
		case exists(filepath.Join(name, "snap", "db")) && name != taken:
			copies, unread, err := findMember(name, "", copyOfDatabase)
			if err != nil {
				s.skip(err)
			}
			s.all, s.skipped = append(s.all, copies...), append(s.skipped, unread...)
			return fs.SkipDir
		}
		return nil
	})
	for _, dir := range slices.Sorted(maps.Keys(s.logs)) {
		s.all = append(s.all, *s.logs[dir])
	}
	return s.all, s.skipped, err
}

// searched is what a search has found so far.
type searched struct {
	all     []found
	logs    map[string]*found // by directory: segments belong together
	log     string            // a directory whose segments are taken already; empty for none
	skipped []error
	entries int // files and directories
	// declared is set where every file is declared to be a copy.
	declared bool
}

func (s *searched) skip(err error) { s.skipped = append(s.skipped, err) }

func (s *searched) file(name string, entry fs.DirEntry) {
	if !regular(name, entry) {
		switch info, err := os.Stat(name); {
		case err != nil:
			if s.copies(name, 0) {
				s.skip(&Error{What: "follow the link " + name, Err: reason(err), Do: access(err)})
			}
		case info.IsDir():
			s.skip(&Error{What: name + " is a link to a directory", Do: "name that"})
		}
		return
	}
	f, err := look(name)
	if err != nil {
		s.skip(err)
		return
	}
	switch dir := filepath.Dir(name); {
	case f.kind == database || f.kind == snapshot || f.packed() && (s.declared || named(name)):
		s.all = append(s.all, found{database: f, copy: copyName(f)})
	case f.kind == segment, wal.ParseName(filepath.Base(name)).Kind == wal.Preallocated && filepath.Base(dir) == "wal":
		if dir == s.log {
			return
		}
		if s.logs[dir] == nil {
			s.logs[dir] = &found{copy: copyLog}
			if filepath.Base(dir) == "wal" {
				s.logs[dir].copy = ""
			}
		}
		s.logs[dir].segments = append(s.logs[dir].segments, f)
	case f.kind == empty && isSegmentName(name):
	case !s.copies(name, f.size) && !(f.kind == archived && named(name)):
	default:
		s.skip(unread(f))
	}
}

// regular reports whether a directory has a file under a name, or a link to one.
func regular(name string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// unread says why a file that may be a copy is not read.
func unread(f file) *Error {
	const do = "decrypt or unpack it, or fetch it again; move it elsewhere if it is no copy"
	switch {
	case f.packed():
		return &Error{What: f.name + " is compressed, and need not be a copy of etcd's data", Do: "name it as well, and it is read"}
	case f.kind == archived:
		return &Error{What: f.name + " is packed in a way that is not read", Do: "unpack it"}
	case f.kind == empty:
		return &Error{What: f.name + " is empty", Do: do}
	case f.kind == sqlite || f.kind == sqliteLog:
		return &Error{What: f.name + " is of SQLite, and not of etcd"}
	}
	return &Error{What: f.name + " is no database, snapshot or write-ahead log of etcd", Do: do}
}

// Names of files that lie beside copies, or are copies.
var (
	sumName  = regexp.MustCompile(`\.(md5|sha(1|256|512)(sums?)?|sum|sig)$`)
	raftName = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-f]{16}\.snap$`) // raft's own state, which has no keys
	copied   = regexp.MustCompile(`snap|\.(db|gz|zstd?|tar|tgz|zip|7z|xz|bz2|lz4|enc|gpg|age|bak)(\.|$)`)
	other    = regexp.MustCompile(`\.(sh|py|log|txt|md|json|ya?ml|conf|env|service|timer|lock)$`)
)

// copies tells whether a file that is not recognised has to be taken for a copy, which is damaged, or
// encrypted by another program.
func (s *searched) copies(name string, size int64) bool {
	const longestSum = 4096 // bytes: no copy is so small, and sums are
	name = strings.ToLower(filepath.Base(name))
	switch {
	case size > 0 && size <= longestSum && sumName.MatchString(name), raftName.MatchString(name):
		return false
	case s.declared:
		return true
	}
	return copied.MatchString(name) && !other.MatchString(name)
}

// named is true for names that packed copies of etcd's files have.
func named(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	return strings.Contains(name, "db") || strings.Contains(name, "snap") || strings.Contains(name, "etcd") || strings.Contains(name, "backup")
}
