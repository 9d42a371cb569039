package offline_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// oneLine reports whether an error is one line that says something.
func oneLine(err error, says string) bool {
	return err != nil && strings.Contains(err.Error(), says) && !strings.Contains(err.Error(), "\n")
}

// segmentOf is the beginning of a segment of a member's log: its checksum, and its metadata
// record {node_id = 1, cluster_id = 2}. Zeros follow, 64 of them.
func segmentOf(member uint64) []byte {
	data := append(binary.AppendUvarint([]byte{0x08}, member), 0x10, 7)
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	metadata := append(binary.AppendUvarint([]byte{0x08, 1, 0x10}, uint64(sum)), 0x1a, byte(len(data)))
	var b []byte
	for _, record := range [][]byte{{0x08, 4, 0x10, 0}, append(metadata, data...)} { // of the checksum's type first
		padding := (8 - len(record)%8) % 8
		b = binary.LittleEndian.AppendUint64(b, uint64(len(record))|uint64(0x80|padding)<<56)
		b = append(append(b, record...), make([]byte, padding)...)
	}
	return append(b, make([]byte, 64)...)
}

func TestTheLogsOfTwoMembersInOneDirectoryAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "member", "wal")
	testkit.Check(t, os.MkdirAll(dir, 0o700))
	for i, member := range []uint64{1, 1} {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, "000000000000000"+string('0'+byte(i))+"-0000000000000000.wal"), segmentOf(member), 0o600))
	}
	data := filepath.Dir(filepath.Dir(dir))
	if _, err := scan(t, options(), data); err != nil {
		t.Errorf("the log of one member: %v", err)
	}
	testkit.Check(t, os.WriteFile(filepath.Join(dir, "0000000000000002-0000000000000000.wal"), segmentOf(2), 0o600))
	if _, err := scan(t, options(), data); !oneLine(err, "keep the files of one member in one directory") || !strings.Contains(err.Error(), "is of member 1 of cluster 7") {
		t.Errorf("the logs of two: %v", err)
	}
}

func TestAnEmptyLogHasNothing(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "0000000000000000-0000000000000000.wal")
	testkit.Check(t, os.WriteFile(name, nil, 0o600))
	if got, err := scan(t, options(), name); err != nil || len(got.keys) != 0 || len(got.scopes) != 1 {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestAFileThatMayNotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	dirty(t, path)
	testkit.Check(t, os.Chmod(dir, 0o755))
	testkit.Check(t, os.Chmod(path, 0))
	unprivileged(t)
	if _, err := offline.Open(t.Context(), []string{path}, options()); !oneLine(err, "permission denied: run as root") {
		t.Error(err)
	}
}

// unprivileged makes this thread another user for files: root reads everything.
func unprivileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // it is not unlocked: the thread ends with the test
	testkit.Check(t, unix.Setfsuid(65534))
	t.Cleanup(func() { testkit.Check(t, unix.Setfsuid(0)) })
}

// Without its path and the reason, it would be said that there is nothing to read.
func TestADirectoryThatMayNotBeReadIsNamed(t *testing.T) {
	closed, dir := t.TempDir(), t.TempDir()
	dirty(t, closed+"/member/snap/db")
	dirty(t, dir+"/member/snap/db")
	testkit.Check(t, os.Chmod(filepath.Dir(closed), 0o755))
	testkit.Check(t, os.Chmod(dir, 0o755))
	testkit.Check(t, os.Chmod(closed, 0))
	testkit.Check(t, os.Chmod(dir+"/member", 0))
	unprivileged(t)
	for path, named := range map[string]string{closed: closed, dir: dir + "/member"} {
		_, err := offline.Open(t.Context(), []string{path}, options())
		if !oneLine(err, "look at "+named+": permission denied: run as root") || !errors.Is(err, fs.ErrPermission) {
			t.Error(err)
		}
	}
}

func TestAMemberWithoutAnythingIsNamed(t *testing.T) {
	dir := t.TempDir()
	testkit.Check(t, os.MkdirAll(dir+"/member/wal", 0o700))
	if _, err := offline.Open(t.Context(), []string{dir}, options()); !oneLine(err, "in "+dir+"/member is neither a database (snap/db) nor a segment of a write-ahead log: ") {
		t.Error(err)
	}
	dirty(t, dir+"/member/snap/1.snap.db")
	if got, err := scan(t, options(), dir); err != nil || len(got.skipped) != 1 {
		t.Errorf("with what it has received: %v, %+v", err, got)
	}
}

func TestAPackedFileThatIsCutIsOneLine(t *testing.T) {
	dir := t.TempDir()
	dirty(t, dir+"/x.db")
	plain := testkit.Must(os.ReadFile(dir + "/x.db"))(t)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	testkit.Must(w.Write(plain))(t)
	testkit.Check(t, w.Close())
	encoder := testkit.Must(zstd.NewWriter(nil))(t)
	o := options()
	o.WorkDir = t.TempDir()
	for name, packed := range map[string][]byte{"a.db.gz": gz.Bytes(), "a.db.zst": encoder.EncodeAll(plain, nil)} {
		for _, size := range []int{len(packed) / 2, len(packed) - 1} {
			file := filepath.Join(dir, name)
			testkit.Check(t, os.WriteFile(file, packed[:size], 0o600))
			if _, err := offline.Open(t.Context(), []string{file}, o); !oneLine(err, "decompress "+file+": unexpected EOF: the file is cut or damaged") {
				t.Errorf("%d bytes of %s: %v", size, name, err)
			}
		}
	}
}

// A directory has the log of its database: in whatever order they are named, and by whatever
// names, they are read together.
func TestAFileOfTwoNamesIsReadOnceAndThatIsSaid(t *testing.T) {
	dir := t.TempDir()
	db := dir + "/data/member/snap/db"
	dirty(t, db)
	segment := dir + "/data/member/wal/0000000000000000-0000000000000000.wal"
	testkit.Check(t, os.MkdirAll(filepath.Dir(segment), 0o700))
	testkit.Check(t, os.WriteFile(segment, segmentOf(0x8e9e05c52164694d), 0o600))
	testkit.Check(t, os.Link(db, dir+"/hard.db"))
	testkit.Check(t, os.Symlink(db, dir+"/link.db"))
	testkit.Check(t, os.Link(segment, dir+"/0.wal"))
	for _, paths := range [][]string{{dir + "/data", db}, {db, dir + "/data"}, {dir + "/hard.db", dir + "/data"}, {dir + "/data", dir + "/link.db", segment}, {dir + "/0.wal", dir + "/data"}, {dir + "/data", dir + "/data/member"}} {
		set := testkit.Must(offline.Open(t.Context(), paths, options()))(t)
		said := strings.Join(set.Chosen, "; ")
		if len(set.Sources) != 2 || set.Sources[0].Scopes()[0].Sources[0].Name != db || set.Sources[0].Scopes()[0].Copy != "" || len(set.Sources[1].Scopes()[0].Sources) != 1 || !strings.Contains(said, "is the same file as "+dir+"/data/member/") {
			t.Errorf("%q: %d sources, %q", paths, len(set.Sources), said)
		}
		testkit.Check(t, set.Close())
	}
}

// The format's version and the size of pages are in both meta pages, each with a checksum: where
// they are wrong no tree can be read, and the bytes still are.
func TestADatabaseOfAnotherFormatIsSearchedAndNeverClean(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	dirty(t, path)
	whole := testkit.Must(os.ReadFile(path))(t)
	for name, at := range map[string]int{"version": 4, "page size": 8} {
		b := bytes.Clone(whole)
		for _, page := range []int{16, 4096 + 16} {
			b[page+at]++
			sum := uint64(14695981039346656037) // FNV-1a of what stands before it
			for _, c := range b[page : page+56] {
				sum = (sum ^ uint64(c)) * 1099511628211
			}
			binary.LittleEndian.PutUint64(b[page+56:], sum)
		}
		testkit.Check(t, os.WriteFile(path, b, 0o600))
		got, err := scan(t, options(), path)
		if err != nil || got.damaged == 0 || len(got.scopes) != 1 || !slices.Contains(got.keys[record.Undetermined], "secrets/shop/a") {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}

func TestAFileThatIsCutWhileItIsReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := newStore(t, path)
	for range 300 {
		s.put("/registry/secrets/shop/a", secret("a", 3000))
	}
	whole := testkit.Must(os.ReadFile(s.close()))(t)
	size := int64(len(whole))
	for name, to := range map[string]int64{"cut": size / 2, "grown": 2 * size, "emptied": 0} {
		testkit.Check(t, os.WriteFile(path, whole, 0o600))
		set := testkit.Must(offline.Open(t.Context(), []string{path}, options()))(t)
		n := 0
		err := set.Sources[0].Read(t.Context(), func([]record.Record) error {
			if n++; n == 2 {
				return os.Truncate(path, to)
			}
			return nil
		})
		if !oneLine(err, "was changed while it was read") {
			t.Errorf("%s: %v", name, err)
		}
		testkit.Check(t, set.Close())
	}
}

func TestKeysThatAreNoTextAreRead(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "x.db"))
	s.put("/registry/secrets/shop/\xff\x00\x1b[2J", stored.Plaintext)
	if got, err := scan(t, options(), s.close()); err != nil || !slices.Contains(got.keys[record.Live], "secrets/shop/\xff\x00\x1b[2J") {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestTooManyKeysForTheMemoryAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	dirty(t, path)
	o := options()
	o.Memory = 100
	if _, err := scan(t, o, path); !oneLine(err, "more than the 1 KiB that --memory leaves for it: raise --memory") {
		t.Error(err)
	}
}

// A file system without room answers as a limit on the size of files does.
func TestAWorkDirWithoutRoomIsNamedAndLeftEmpty(t *testing.T) {
	dir, work := t.TempDir(), t.TempDir()
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	testkit.Must(w.Write(make([]byte, 8<<20)))(t)
	testkit.Check(t, w.Close())
	packed := filepath.Join(dir, "a.db.gz")
	testkit.Check(t, os.WriteFile(packed, gz.Bytes(), 0o600))
	o := options()
	o.WorkDir = work
	var before unix.Rlimit
	testkit.Check(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	testkit.Check(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: before.Max}))
	_, err := offline.Open(t.Context(), []string{packed}, o)
	testkit.Check(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before))
	if !oneLine(err, "make room in --work-dir") {
		t.Error(err)
	}
	if left := testkit.Must(os.ReadDir(work))(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A log below the data directory, under any spelling of its path, is the member's own and no copy.
func TestALogThatIsNamedIsReadOnce(t *testing.T) {
	for _, below := range []string{"wal", "."} {
		dir := t.TempDir()
		log := filepath.Join(dir, below)
		dirty(t, dir+"/member/snap/db")
		testkit.Check(t, os.MkdirAll(log, 0o700))
		segment := log + "/0000000000000000-0000000000000000.wal"
		testkit.Check(t, os.WriteFile(segment, segmentOf(0x8e9e05c52164694d), 0o600))
		for _, o := range []string{log, testkit.Must(filepath.Rel(testkit.Must(os.Getwd())(t), log))(t)} {
			set := testkit.Must(offline.Open(t.Context(), []string{dir}, offline.Options{WALDir: o, Now: time.Now}))(t)
			if len(set.Sources) != 2 || set.Sources[1].Scopes()[0].Copy != "" {
				t.Errorf("--wal-dir %s: %d sources", o, len(set.Sources))
			}
			testkit.Check(t, set.Close())
		}
		testkit.Check(t, os.WriteFile(segment, segmentOf(1), 0o600))
		if _, err := offline.Open(t.Context(), []string{dir}, offline.Options{WALDir: log, Now: time.Now}); !oneLine(err, "is of member 1 of cluster 7, which ") {
			t.Errorf("the log of another member: %v", err)
		}
	}
}

// What a crash leaves is whole up to zeros. Nothing else in a segment's place is clean.
func TestASegmentThatIsNoneIsDamage(t *testing.T) {
	whole := segmentOf(0x8e9e05c52164694d)
	records := len(whole) - 64
	for name, tc := range map[string]struct {
		bytes []byte
		says  string
	}{
		"whole":                 {whole, ""},
		"empty":                 {nil, "does not begin with the records"},
		"zeros":                 {make([]byte, 1<<16), "does not begin with the records"},
		"other bytes":           {bytes.Repeat([]byte("x"), 1<<16), "does not begin with the records"},
		"a length that lies":    {append(slices.Clone(whole[:records]), bytes.Repeat([]byte{0x7f}, 64)...), "what follows is no frame"},
		"cut within a record":   {append(slices.Clone(whole[:records]), 0x40, 0, 0, 0, 0, 0, 0, 0, 8, 2), "the file ends within a frame"},
		"cut within its length": {whole[:records+3], "the file ends within a frame"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dirty(t, dir+"/member/snap/db")
			testkit.Check(t, os.MkdirAll(dir+"/member/wal", 0o700))
			testkit.Check(t, os.WriteFile(dir+"/member/wal/0000000000000000-0000000000000000.wal", tc.bytes, 0o600))
			set := testkit.Must(offline.Open(t.Context(), []string{dir}, options()))(t)
			defer func() { testkit.Check(t, set.Close()) }()
			log := set.Sources[1]
			testkit.Check(t, log.Read(t.Context(), func([]record.Record) error { return nil }))
			said := ""
			for _, at := range log.(record.Leaver).Remains()[record.WAL].Damage {
				said += at.What + "; "
			}
			if !strings.Contains(said, tc.says) || tc.says == "" && said != "" {
				t.Errorf("damage: %q", said)
			}
		})
	}
}
