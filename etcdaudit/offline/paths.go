package offline

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/wal"
)

// What a copy is called. Each is shown before the file's name.
const (
	copyOfDatabase = record.CopyOfDatabase
	copySnapshot   = record.CopySnapshot
	copyReceived   = "received snapshot"
	copyTemporary  = "temporary file"
	copyLog        = "copy of a write-ahead log"
)

// found is what one path leads to: files that belong together.
type found struct {
	// database is a member's, or a copy; empty for none.
	database file
	// segments are the files of a write-ahead log, in the order of their names.
	segments []file
	copy     string
}

type file struct {
	name string
	kind kind
	size int64
	// modified is when it was last written, before it was decompressed.
	modified time.Time
	// info tells whether it is the same file as one of another name.
	info fs.FileInfo
}

// packed reports whether a file has to be decompressed.
func (f file) packed() bool { return f.kind == gzipped || f.kind == zstandard }

// find says what a path leads to: a member's data with what lies beside it, one file, or the
// copies below a directory. walDir is where the write-ahead log of a data directory lies, if
// it is elsewhere. declared is set where every file in a directory is declared to be a copy.
func find(path, walDir string, declared bool) (all []found, skipped []error, err error) {
	given := path
	if path, err = filepath.Abs(given); err != nil {
		return nil, nil, &Error{What: "look at " + given, Err: err, Do: access(err)}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, &Error{What: "look at " + path, Err: reason(err), Do: access(err)}
	case info.IsDir():
		return findIn(path, walDir, declared)
	case walDir != "":
		return nil, nil, &Error{What: path + " is no data directory", Do: "leave --wal-dir out, or name the directory that has member in it"}
	case !info.Mode().IsRegular():
		return nil, nil, &Error{What: path + " is no regular file", Do: "name a data directory, a database, a snapshot or a write-ahead log of etcd"}
	}
	f, err := look(path)
	if err != nil {
		return nil, nil, err
	}
	return one(f)
}

// one is a file that was named.
func one(f file) (all []found, skipped []error, err error) {
	const want = "name a data directory, a database, a snapshot or a write-ahead log of etcd"
	switch f.kind {
	case empty:
		if isSegmentName(f.name) {
			return []found{{segments: []file{f}, copy: copyLog}}, nil, nil
		}
		return nil, nil, &Error{What: f.name + " is empty", Do: want}
	case database, snapshot, gzipped, zstandard:
		if f.kind == database && isMembers(f.name) {
			return []found{{database: f}}, nil, nil
		}
		return []found{{database: f, copy: copyName(f)}}, nil, nil
	case segment:
		if filepath.Base(filepath.Dir(f.name)) == "wal" {
			return []found{{segments: []file{f}}}, nil, nil
		}
		return []found{{segments: []file{f}, copy: copyLog}}, nil, nil
	case membership:
		return nil, nil, &Error{What: f.name + " has members of the cluster, and no keys", Do: "name the database beside it (db)"}
	case sqlite, sqliteLog:
		return nil, nil, noEtcd(f.name, "k3s keeps its objects in SQLite here")
	default:
		return nil, nil, &Error{What: f.name + " is no database, snapshot or write-ahead log of etcd", Do: want}
	}
}

// isMembers tells whether a file is the database of a data directory, which a member uses.
func isMembers(name string) bool {
	return strings.HasSuffix(filepath.ToSlash(name), "/member/snap/db")
}

func copyName(f file) string {
	if f.kind == snapshot {
		return copySnapshot
	}
	return copyOfDatabase
}

func noEtcd(name, why string) error {
	return &Error{What: name + ": " + why, Do: "this program reads etcd's own files; of such a cluster scan the live values (--endpoints, kine's socket)"}
}

func findIn(dir, walDir string, declared bool) (all []found, skipped []error, err error) {
	for _, lite := range []struct{ has, why string }{
		{"state.db", "k3s keeps its objects in SQLite here"},
		{"server/db/state.db", "k3s keeps its objects in SQLite here"},
		{"db/state.db", "k3s keeps its objects in SQLite here"},
		{"var/kubernetes/backend/cluster.yaml", "MicroK8s keeps its objects in dqlite here"},
		{"info.yaml", "this is dqlite's directory, as MicroK8s has it"},
	} {
		if exists(filepath.Join(dir, lite.has)) && !exists(filepath.Join(dir, "member")) && (lite.has != "info.yaml" || exists(filepath.Join(dir, "cluster.yaml"))) {
			return nil, nil, noEtcd(dir, lite.why)
		}
	}
	// What lies beside a member's data is searched as well: backups are often there.
	beside, taken, log := dir, "", ""
	if walDir != "" {
		if walDir, err = filepath.Abs(walDir); err != nil {
			return nil, nil, &Error{What: "look at " + walDir, Err: err}
		}
		log = walDir
	}
	for _, at := range []struct{ member, beside string }{{"member", "."}, {".", "."}, {"server/db/etcd/member", "server/db"}} {
		member := filepath.Join(dir, at.member)
		if exists(filepath.Join(member, "snap", "db")) || exists(filepath.Join(member, "wal")) {
			if all, skipped, err = findMember(member, walDir, ""); err != nil {
				return nil, nil, err
			}
			beside, taken = filepath.Join(dir, at.beside), member
			break
		}
	}
	if taken == "" && walDir != "" {
		return nil, nil, &Error{What: dir + " is no data directory", Do: "leave --wal-dir out, or name the directory that has member in it"}
	}
	if taken != "" && len(all[0].segments) == 0 {
		if all[0].database.name == "" && len(all) == 1 {
			all = nil
			skipped = append(skipped, &Error{What: "in " + taken + " is neither a database (snap/db) nor a segment of a write-ahead log", Do: "name the data directory of a member that has run, or with --wal-dir the directory of its log"})
		} else {
			skipped = append(skipped, &Error{What: "the write-ahead log of " + taken + " is not there", Do: "name its directory with --wal-dir"})
		}
	}
	copies, more, err := search(beside, taken, log, declared)
	skipped = append(skipped, more...)
	if all = append(all, copies...); err == nil && len(all)+len(skipped) == 0 {
		err = &Error{What: "in " + dir + " is no data directory, database, snapshot or write-ahead log of etcd", Do: "name the directory that has member in it (/var/lib/etcd), or a folder of snapshots"}
	}
	return all, skipped, err
}

// findMember finds what lies in the member directory of a data directory. of is empty for a
// member's own data, and says else what the whole directory is a copy of. A database that cannot
// be read is skipped: the log beside it has what was written last.
func findMember(member, walDir, of string) (all []found, skipped []error, err error) {
	own := found{copy: of}
	if db := filepath.Join(member, "snap", "db"); exists(db) {
		own.database, err = look(db)
		if err == nil && own.database.kind == empty {
			err = &Error{What: db + " is empty", Do: "scan a snapshot, or another member"}
		}
		if err != nil {
			own.database, skipped = file{}, append(skipped, err)
		}
	}
	if walDir == "" {
		walDir = filepath.Join(member, "wal")
	}
	if own.segments, err = segmentsIn(walDir); err != nil {
		return nil, nil, err
	}
	if len(own.segments) == 0 && walDir != filepath.Join(member, "wal") {
		return nil, nil, &Error{What: "in " + walDir + " is no segment of a write-ahead log", Do: "name the directory of etcd's --wal-dir"}
	}
	all = append(all, own)
	others, err := os.ReadDir(filepath.Join(member, "snap"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &Error{What: "list " + member + "/snap", Err: reason(err), Do: access(err)}
	}
	for _, entry := range others {
		name := filepath.Join(member, "snap", entry.Name())
		if entry.Name() == "db" || !regular(name, entry) {
			continue
		}
		f, err := look(name)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case f.kind == membership, f.kind == empty:
		case f.kind == database || f.kind == snapshot:
			all = append(all, found{database: f, copy: copyReceived})
		default:
			// What etcd was writing when it was killed: a part of a database.
			f.kind = unknown
			all = append(all, found{database: f, copy: copyTemporary})
		}
	}
	return all, skipped, nil
}

func segmentsIn(dir string) (all []file, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{What: "list " + dir, Err: reason(err), Do: access(err)}
	}
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		if prepared := wal.ParseName(entry.Name()).Kind == wal.Preallocated; !isSegmentName(name) && !prepared || !regular(name, entry) {
			continue
		}
		f, err := look(name)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// look reads the beginning of a file.
func look(name string) (file, error) {
	// A pipe must not be waited for.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the caller named it, or a folder that it is in
	if err != nil {
		return file{}, &Error{What: "open " + name, Err: reason(err), Do: access(err)}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return file{}, &Error{What: "look at " + name, Err: reason(err)}
	}
	if !info.Mode().IsRegular() {
		return file{}, &Error{What: name + " is no regular file"}
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return file{}, &Error{What: "read " + name, Err: reason(err)}
	}
	return file{name: name, kind: recognise(name, head[:n], info.Size()), size: info.Size(), info: info}, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
