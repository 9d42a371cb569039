package truth

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Layer is what a place in a file is to etcd.
type Layer string

// The layers. NoElement is a reachable page where no revision lies, Other a file that is
// neither a database nor a segment: nothing should be found in these two.
const (
	Live        Layer = "live"
	History     Layer = "history"
	FreePages   Layer = "free pages"
	BeyondPages Layer = "beyond the last page"
	NoElement   Layer = "reachable page, outside of every revision"
	Log         Layer = "log"
	BehindLog   Layer = "behind the end of the log"
	Other       Layer = "another file"
)

// Occurrence is one place where a canary lies.
type Occurrence struct {
	Write *Write
	File  string
	// Offset is that of the canary, and Value that of the first byte of the value that it
	// belongs to: less than 0 where that would lie before the file.
	Offset, Value int64
	Layer         Layer
	// Intact is set where everything from the first byte of the value to the canary is there,
	// and the key before it, or kind, namespace and name in it.
	Intact bool
	// Index and Term are those of the raft entry that it lies in.
	Index, Term uint64
}

// File is one file of etcd, with all canaries in it.
type File struct {
	Name        string
	Occurrences []Occurrence

	ledger *Ledger
	data   []byte
	db     *database
	log    *log
}

// Files looks through files, and through every file below directories.
func (l *Ledger) Files(paths ...string) (all []*File, err error) {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			f, err := l.file(name)
			all = append(all, f)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", path, err)
		}
	}
	return all, nil
}

func (l *Ledger) file(name string) (f *File, err error) {
	f = &File{Name: name, ledger: l}
	if f.data, err = os.ReadFile(name); err != nil { //nolint:gosec // the test's own file
		return nil, err
	}
	switch {
	case filepath.Base(name) == "db" || strings.HasSuffix(name, ".db"):
		f.db, err = readDatabase(name)
	case strings.HasSuffix(name, ".wal"):
		f.log = readLog(f.data)
	case filepath.Base(filepath.Dir(name)) == "wal": // the next segment
		f.log = &log{}
	}
	if err != nil {
		return nil, err
	}
	l.each(f.data, func(at int64, p place) {
		if err == nil {
			err = f.add(at, p)
		}
	})
	slices.SortFunc(f.Occurrences, func(a, b Occurrence) int { return cmp.Compare(a.Offset, b.Offset) })
	return f, err
}

func (f *File) add(at int64, p place) error {
	o := Occurrence{Write: p.write, File: f.Name, Offset: at, Value: at - int64(p.at), Layer: Other}
	switch {
	case f.db != nil:
		layer, e := f.db.at(at)
		o.Layer = layer
		if e != nil && (e.key != p.write.Key || e.revision != p.write.ModRevision) {
			return fmt.Errorf("%s, offset %d: the canary of %s lies in revision %d of %s", f.Name, at, p.write.Key, e.revision, e.key)
		}
	case f.log != nil:
		layer, entry := f.log.at(at)
		if o.Layer = layer; entry != nil {
			o.Index, o.Term = entry.index, entry.term
		}
	}
	until := p.at
	for _, c := range p.write.canaries {
		if c.at == p.at {
			until += len(c.pattern)
		}
	}
	o.Intact = f.begins(p.write, o.Value, until)
	f.Occurrences = append(f.Occurrences, o)
	return nil
}

// begins reports whether the first bytes of a value are at an offset, and show what it is.
func (f *File) begins(w *Write, at int64, size int) bool {
	if at < 0 || at > int64(len(f.data)) || !bytes.HasPrefix(f.data[at:], w.Value[:size]) {
		return false
	}
	before := w.inDatabase
	if f.log != nil {
		before = w.inLog
	}
	return bytes.HasSuffix(f.data[:at], before) || w.named <= len(w.Value) && bytes.HasPrefix(f.data[at:], w.Value[:w.named])
}

// Value returns the write whose value begins at an offset, as far as the page goes that it
// begins in; nil if there is none under that key.
func (f *File) Value(key string, at int64) *Write {
	f.ledger.mu.Lock()
	defer f.ledger.mu.Unlock()
	for _, w := range f.ledger.keys[key] {
		size := int64(len(w.Value))
		if f.db != nil {
			size = min(size, f.db.pageSize-at%f.db.pageSize)
		}
		if f.begins(w, at, int(size)) {
			return w
		}
	}
	return nil
}

// Around returns the write of that key in whose value an offset lies, going by the canaries in
// it; nil if it lies in none.
func (f *File) Around(key string, at int64) *Write {
	for _, o := range f.Occurrences {
		if o.Write.Key == key && o.Value <= at && at < o.Value+int64(len(o.Write.Value)) {
			return o.Write
		}
	}
	return nil
}

// Database reports whether it is a database or a snapshot.
func (f *File) Database() bool { return f.db != nil }

// Layer is what an offset is to etcd.
func (f *File) Layer(offset int64) (layer Layer) {
	switch {
	case f.db != nil:
		layer, _ = f.db.at(offset)
	case f.log != nil:
		layer, _ = f.log.at(offset)
	default:
		layer = Other
	}
	return layer
}

// Unused reports whether [from, to) has no byte of a page that the database uses.
func (f *File) Unused(from, to int64) bool { return f.db != nil && f.db.unused(from, to) }

// Headless reports whether a page begins at an offset that the database does not use, and that
// neither begins a run of pages nor is empty: what is in it belongs to what began elsewhere.
func (f *File) Headless(offset int64) bool {
	if f.db == nil || offset%f.db.pageSize != 0 || offset >= int64(len(f.data)) || !f.db.unused(offset, offset+1) {
		return false
	}
	page := f.data[offset:min(offset+f.db.pageSize, int64(len(f.data)))]
	if len(bytes.TrimLeft(page, "\x00")) == 0 {
		return false
	}
	// The header has the number of the page and what kind of page it is (bbolt, internal/common/page.go).
	const branch, leaf, freelist = 0x01, 0x02, 0x10
	if len(page) < 16 || binary.LittleEndian.Uint64(page) != uint64(offset/f.db.pageSize) { //nolint:gosec // offsets are not negative
		return true
	}
	kind := binary.LittleEndian.Uint16(page[8:])
	return kind != branch && kind != leaf && kind != freelist
}
