package offline

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
// empty. Files are told by their bytes, not by their names. Links to files are followed, those
// to directories are not.
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
	if n := len(s.others); n > 0 {
		s.skip(&Error{What: fmt.Sprintf("%s holds files that are nothing of etcd's that is read: %d, the first %s", dir, n, s.others[0]), Do: "unpack or decrypt it, or name the copies by a pattern"})
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
	// declared is as in Options, and others are the files that are nothing of etcd's.
	declared bool
	others   []string
}

func (s *searched) skip(err error) { s.skipped = append(s.skipped, err) }

func (s *searched) file(name string, entry fs.DirEntry) {
	if !regular(name, entry) {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
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
	case f.kind == database || f.kind == snapshot || (f.kind == gzipped || f.kind == zstandard) && (s.declared || named(name)):
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
	case f.kind == archived && named(name):
		s.skip(&Error{What: name + " is packed in a way that is not read", Do: "unpack it"})
	case s.declared && f.kind != membership:
		s.others = append(s.others, name)
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

// named is true for names that packed copies of etcd's files have.
func named(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	return strings.Contains(name, "db") || strings.Contains(name, "snap") || strings.Contains(name, "etcd") || strings.Contains(name, "backup")
}
