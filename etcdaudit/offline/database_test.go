package offline_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// store is a database as etcd keeps it, made with bbolt: what a real etcd writes is tested in
// cmd/etcdaudit.
type store struct {
	t        testing.TB
	db       *bbolt.DB
	path     string
	revision uint64
}

func newStore(t testing.TB, path string) *store {
	t.Helper()
	s := emptyStore(t, path)
	s.put("/registry/namespaces/kube-system", stored.Plaintext)
	return s
}

func emptyStore(t testing.TB, path string) *store {
	t.Helper()
	testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o700))
	s := &store{t: t, path: path, db: testkit.Must(bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true}))(t)}
	testkit.Check(t, s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"key", "meta", "members", "cluster"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.Bucket([]byte("members")).Put([]byte("8e9e05c52164694d"), []byte(`{"id":1,"name":"a","peerURLs":["https://192.0.2.1:2380"],"clientURLs":["https://192.0.2.1:2379","https://192.0.2.9:2379"]}`)),
			tx.Bucket([]byte("cluster")).Put([]byte("clusterVersion"), []byte("3.7.0")),
			tx.Bucket([]byte("meta")).Put([]byte("consistent_index"), binary.BigEndian.AppendUint64(nil, 77)),
		)
	}))
	return s
}

func (s *store) key(tombstone bool) []byte {
	s.revision++
	b := append(binary.BigEndian.AppendUint64(nil, s.revision), '_')
	b = binary.BigEndian.AppendUint64(b, 0)
	if tombstone {
		b = append(b, 't')
	}
	return b
}

func (s *store) put(key, value string) {
	s.t.Helper()
	at := s.key(false)
	s.write(at, &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), CreateRevision: 1, ModRevision: int64(s.revision), Version: 1})
}

func (s *store) remove(key string) {
	s.t.Helper()
	s.write(s.key(true), &mvccpb.KeyValue{Key: []byte(key)})
}

func (s *store) write(at []byte, kv *mvccpb.KeyValue) {
	s.t.Helper()
	value := testkit.Must(proto.Marshal(kv))(s.t)
	testkit.Check(s.t, s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("key")).Put(at, value) }))
}

// compact deletes the revisions before one.
func (s *store) compact(before uint64) {
	s.t.Helper()
	testkit.Check(s.t, s.db.Update(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte("key")).Cursor()
		for k, _ := c.First(); k != nil && binary.BigEndian.Uint64(k) < before; k, _ = c.Next() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *store) close() string {
	s.t.Helper()
	testkit.Check(s.t, s.db.Close())
	return s.path
}

// snapshot is what the Snapshot RPC sends: the database and its hash.
func (s *store) snapshot(path string) string {
	s.t.Helper()
	var b bytes.Buffer
	testkit.Check(s.t, s.db.View(func(tx *bbolt.Tx) error { _, err := tx.WriteTo(&b); return err }))
	sum := sha256.Sum256(b.Bytes())
	testkit.Check(s.t, os.WriteFile(path, append(b.Bytes(), sum[:]...), 0o600))
	return path
}

func options() offline.Options {
	return offline.Options{Now: func() time.Time { return time.Unix(1, 0) }}
}

// scanned is what was read: by layer the keys with the bytes at the offsets that the records
// name, and what remained.
type scanned struct {
	scopes  map[record.Layer]record.Scope
	keys    map[record.Layer][]string
	damaged int64
	pieces  int64
	skipped []string
}

func scan(t testing.TB, o offline.Options, paths ...string) (s scanned, err error) {
	t.Helper()
	s = scanned{scopes: map[record.Layer]record.Scope{}, keys: map[record.Layer][]string{}}
	set, err := offline.Open(t.Context(), paths, o)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	s.skipped = set.Skipped
	for _, source := range set.Sources {
		if err := source.Read(t.Context(), func(records []record.Record) error {
			for _, r := range records {
				name := strings.TrimPrefix(string(r.Key), "/registry/")
				if r.Tombstone {
					name += " deleted"
				}
				s.keys[r.Origin.Layer] = append(s.keys[r.Origin.Layer], name)
				if head := make([]byte, min(16, len(r.Value))); !strings.HasSuffix(r.Origin.File, "z") && !r.Within {
					f := testkit.Must(os.Open(r.Origin.File))(t)
					if _, err := f.ReadAt(head, r.Origin.Offset); err != nil && !errors.Is(err, io.EOF) || !bytes.HasPrefix(r.Value, head) {
						t.Errorf("%s is not at %d of %s (%v)", r.Key, r.Origin.Offset, r.Origin.File, err)
					}
					testkit.Check(t, f.Close())
				}
			}
			return nil
		}); err != nil {
			return s, err
		}
		for _, scope := range source.Scopes() {
			s.scopes[scope.Layer] = scope
		}
		for _, r := range source.(record.Leaver).Remains() {
			s.damaged += r.Damaged
			s.pieces += r.Fragments
		}
	}
	for _, keys := range s.keys {
		slices.Sort(keys)
	}
	return s, nil
}

// secrets is a Secret's value of about so many bytes.
func secret(name string, size int) string {
	return `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"` + name + `","namespace":"shop"},"data":{"p":"` + strings.Repeat("QUJD", size/4) + `"}}`
}

func TestTheNewestVersionOfAKeyIsLive(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "x.db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	s.put("/registry/secrets/shop/b", secret("b", 10))
	s.put("/registry/secrets/shop/a", stored.KMSv2("p", "k", 1))
	s.put("/registry/secrets/shop/gone", secret("gone", 10))
	s.remove("/registry/secrets/shop/gone")
	s.put("/other/key", "x")
	s.put("compact_rev_key", "1")
	got := testkit.Must(scan(t, options(), s.close()))(t)
	if want := []string{"namespaces/kube-system", "secrets/shop/a", "secrets/shop/b"}; !slices.Equal(got.keys[record.Live], want) {
		t.Errorf("live: %q", got.keys[record.Live])
	}
	if want := []string{"secrets/shop/a", "secrets/shop/gone", "secrets/shop/gone deleted"}; !slices.Equal(got.keys[record.History], want) {
		t.Errorf("history: %q", got.keys[record.History])
	}
	live := got.scopes[record.Live]
	cluster := record.Cluster{Version: "3.7.0", Index: 77, Members: []record.Member{{
		ID: "8e9e05c52164694d", Name: "a", PeerURLs: []string{"https://192.0.2.1:2380"}, ClientURLs: []string{"https://192.0.2.1:2379", "https://192.0.2.9:2379"},
	}}}
	if live.Revision != 8 || live.Keys != 3 || live.Outside != 1 || live.Prefix != "/registry/" || live.Copy == "" || !reflect.DeepEqual(live.Cluster, cluster) || !strings.HasPrefix(live.Sources[0].Hash, "sha256:") {
		t.Errorf("%+v", live)
	}
	if got.damaged != 0 {
		t.Errorf("%d places damaged", got.damaged)
	}
}

func TestWhatIsCompactedIsInFreePages(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "member/snap/db"))
	for i := range 40 {
		s.put(fmt.Sprintf("/registry/secrets/shop/s%02d", i), secret(fmt.Sprintf("s%02d", i), []int{100, 1000, 9000}[i%3]))
	}
	last := s.revision
	for i := range 40 {
		s.put(fmt.Sprintf("/registry/secrets/shop/s%02d", i), stored.KMSv2("p", "k", 1))
	}
	s.compact(last + 1)
	got := testkit.Must(scan(t, options(), s.close()))(t)
	if len(got.keys[record.History]) != 0 || len(got.keys[record.Live]) != 40 {
		t.Errorf("%d live, %d in history", len(got.keys[record.Live]), len(got.keys[record.History]))
	}
	left := slices.Compact(got.keys[record.FreePages])
	if n := len(left); n < 30 {
		t.Errorf("%d of 40 are found in free pages: %q", n, left)
	}
	if got.scopes[record.Live].Copy != "" || got.scopes[record.FreePages].Bytes == 0 {
		t.Errorf("%+v", got.scopes[record.FreePages])
	}
}

func TestThePrefixIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		keys  []string
		given string
		want  string // prefix, or error
	}{
		"a custom one":       {[]string{"/x/y/namespaces/kube-system", "/x/y/secrets/a/b"}, "", "/x/y/"},
		"OpenShift's":        {[]string{"/kubernetes.io/secrets/a/b", "/kubernetes.io/pods/a/b"}, "", "/kubernetes.io/"},
		"the one that given": {[]string{"/x/y/namespaces/kube-system", "/x/y/secrets/a/b"}, "/x/y/", "/x/y/"},
		"another was given":  {[]string{"/x/y/namespaces/kube-system"}, "/registry2", "has no key under /registry2/"},
		"no Kubernetes":      {[]string{"/skydns/a"}, "", "has no key that an API server writes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, filepath.Join(t.TempDir(), "x.db"))
			s.compact(s.revision + 1)
			for _, key := range tc.keys {
				s.put(key, stored.Plaintext)
			}
			o := options()
			o.Prefix = tc.given
			got, err := scan(t, o, s.close())
			if prefix := got.scopes[record.Live].Prefix; prefix != tc.want && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%q, %v", prefix, err)
			}
		})
	}
}

func TestASnapshotIsCheckedByItsHash(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, filepath.Join(dir, "x.db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	name := s.snapshot(filepath.Join(dir, "snapshot.db"))
	got := testkit.Must(scan(t, options(), name))(t)
	if got.damaged != 0 || len(got.keys[record.Live]) != 2 || got.scopes[record.Live].Copy != "snapshot" {
		t.Errorf("%+v", got)
	}
	b := testkit.Must(os.ReadFile(name))(t)
	// Where it is cut, even within the hash alone, it is no whole snapshot, and that is said.
	for _, missing := range []int{1, 31, 33, 4096 + 33} {
		testkit.Check(t, os.WriteFile(name, b[:len(b)-missing], 0o600))
		if got := testkit.Must(scan(t, options(), name))(t); got.damaged == 0 {
			t.Errorf("%d bytes are missing: %+v", missing, got)
		}
	}
	b[len(b)-1] ^= 1
	testkit.Check(t, os.WriteFile(name, b, 0o600))
	if got := testkit.Must(scan(t, options(), name))(t); got.damaged != 1 || len(got.keys[record.Live]) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestPackedFilesNeedAPlaceAndLeaveNothing(t *testing.T) {
	dir, work := t.TempDir(), t.TempDir()
	s := newStore(t, filepath.Join(dir, "x.db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	name := s.snapshot(filepath.Join(dir, "snapshot.db"))
	plain := testkit.Must(os.ReadFile(name))(t)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	testkit.Must(w.Write(plain))(t)
	testkit.Check(t, w.Close())
	encoder := testkit.Must(zstd.NewWriter(nil))(t)
	for name, packed := range map[string][]byte{"a.db.gz": gz.Bytes(), "a.db.zstz": encoder.EncodeAll(plain, nil)} {
		file := filepath.Join(dir, name)
		testkit.Check(t, os.WriteFile(file, packed, 0o600))
		if _, err := scan(t, options(), file); err == nil || !strings.Contains(err.Error(), "--work-dir") {
			t.Errorf("%s: %v", name, err)
		}
		o := options()
		o.WorkDir = work
		if got, err := scan(t, o, file); err != nil || len(got.keys[record.Live]) != 2 || got.damaged != 0 {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		testkit.Check(t, os.WriteFile(file, packed[:len(packed)/2], 0o600))
		if _, err := scan(t, o, file); err == nil || !strings.Contains(err.Error(), "the file is cut or damaged") {
			t.Errorf("%s, cut: %v", name, err)
		}
		if left := testkit.Must(os.ReadDir(work))(t); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestAFileInUseIsSearchedAndNeverClean(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "member/snap/db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	got := testkit.Must(scan(t, options(), s.path))(t) // bbolt holds its lock, as etcd does
	if _, ok := got.scopes[record.Live]; ok || !got.scopes[record.Undetermined].InUse || len(got.scopes) != 1 || !slices.Contains(got.keys[record.Undetermined], "secrets/shop/a") {
		t.Errorf("%+v", got)
	}
	s.close()
	if got := testkit.Must(scan(t, options(), s.path))(t); len(got.keys[record.Live]) != 2 {
		t.Errorf("%+v", got)
	}
}

// From a container the lock on a database of the host is not seen, but those on its log are.
func TestALockedLogShowsThatTheDatabaseIsInUse(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, filepath.Join(dir, "member/snap/db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	db := s.close()
	segment := filepath.Join(dir, "member/wal/0000000000000000-0000000000000000.wal")
	testkit.Check(t, os.MkdirAll(filepath.Dir(segment), 0o700))
	f := testkit.Must(os.Create(segment))(t)
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	testkit.Check(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)) // as etcd does
	if got := testkit.Must(scan(t, options(), db))(t); len(got.scopes) != 1 || !slices.Contains(got.keys[record.Undetermined], "secrets/shop/a") {
		t.Errorf("while it is locked: %+v", got)
	}
	testkit.Check(t, f.Close())
	if got := testkit.Must(scan(t, options(), db))(t); len(got.keys[record.Live]) != 2 {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestWhatIsNoFileOfEtcdIsRefusedWithOneLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		testkit.Check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		return filepath.Join(dir, name)
	}
	write("k3s/server/db/state.db", "SQLite format 3\x00")
	write("dqlite/info.yaml", "")
	write("dqlite/cluster.yaml", "")
	write("microk8s/var/kubernetes/backend/cluster.yaml", "")
	write("empty/member/snap/db", "")
	testkit.Check(t, os.MkdirAll(filepath.Join(dir, "nothing"), 0o700))
	other := testkit.Must(bbolt.Open(filepath.Join(dir, "other.db"), 0o600, nil))(t)
	testkit.Check(t, other.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }))
	testkit.Check(t, other.Close())
	for path, want := range map[string]string{
		write("text", strings.Repeat("text ", 2000)):      "is no database, snapshot or write-ahead log of etcd",
		write("none.db", ""):                              "none.db is empty",
		write("a.snap", "members"):                        "has members of the cluster, and no keys",
		write("lite.db", "SQLite format 3\x00..."):        "k3s keeps its objects in SQLite",
		write("lite-wal", "\x37\x7f\x06\x82............"): "k3s keeps its objects in SQLite",
		filepath.Join(dir, "k3s"):                         "k3s keeps its objects in SQLite",
		filepath.Join(dir, "microk8s"):                    "dqlite",
		filepath.Join(dir, "dqlite"):                      "dqlite",
		filepath.Join(dir, "empty"):                       "snap/db is empty",
		filepath.Join(dir, "nothing"):                     "is no data directory",
		filepath.Join(dir, "missing"):                     "no such file",
		filepath.Join(dir, "other.db"):                    "is a database without etcd's keys",
		"/dev/null":                                       "is no regular file",
	} {
		if _, err := scan(t, options(), path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// dirty is a database with one Secret in plaintext, which is live.
func dirty(t *testing.T, path string) {
	t.Helper()
	s := newStore(t, path)
	s.put("/registry/secrets/shop/a", secret("a", 10))
	s.close()
}

func TestCopiesAreFoundByTheirBytesWhereverTheyLie(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(dir string)
		want int // live Secrets
	}{
		"in folders":        {func(dir string) { dirty(t, dir+"/a/b/etcd-snapshot-1"); dirty(t, dir+"/x.db") }, 2},
		"under an odd name": {func(dir string) { dirty(t, dir+"/on-demand-n1") }, 1},
		"behind a link": {func(dir string) {
			dirty(t, t.TempDir()+"/y")
			dirty(t, dir+"/x")
			testkit.Check(t, os.Symlink(dir+"/x", dir+"/z")) // the same file
			testkit.Check(t, os.Link(dir+"/x", dir+"/hard"))
		}, 1},
		"kubeadm's backup": {func(dir string) { dirty(t, dir+"/kubeadm-backup-etcd-1/etcd/member/snap/db") }, 1},
		"beside a member": {func(dir string) {
			dirty(t, dir+"/member/snap/db")
			dirty(t, dir+"/old.db")
			dirty(t, dir+"/member.bak/snap/db")
		}, 3},
		"a member's own directory": {func(dir string) { dirty(t, dir+"/snap/db"); dirty(t, dir+"/backup") }, 2},
		"what the member received": {func(dir string) { dirty(t, dir+"/member/snap/db"); dirty(t, dir+"/member/snap/1.snap.db") }, 2},
		"beside an empty segment":  {func(dir string) { dirty(t, dir+"/x.db"); testkit.Check(t, os.WriteFile(dir+"/x.wal", nil, 0o600)) }, 1},
		"beside files of no etcd": {func(dir string) {
			dirty(t, dir+"/x.db")
			testkit.Check(t, errors.Join(os.WriteFile(dir+"/notes", []byte("no"), 0o600), os.WriteFile(dir+"/x.db.sha256", []byte("no"), 0o600), os.WriteFile(dir+"/take-snapshot.sh", []byte("no"), 0o600)))
		}, 1},
		"k3s with etcd, and its db": {func(dir string) {
			dirty(t, dir+"/server/db/etcd/member/snap/db")
			dirty(t, dir+"/server/db/snapshots/on-demand")
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.make(dir)
			got := testkit.Must(scan(t, options(), dir))(t)
			n := 0
			for _, key := range got.keys[record.Live] {
				if key == "secrets/shop/a" {
					n++
				}
			}
			// Of a member's data directory the log is missed.
			skipped := slices.DeleteFunc(got.skipped, func(s string) bool { return strings.Contains(s, "--wal-dir") })
			if n != tc.want || len(skipped) != 0 {
				t.Errorf("%d Secrets, skipped %q", n, got.skipped)
			}
		})
	}
}

// What has the name of a copy and is not recognised may be one that is damaged, or that another
// program has encrypted. Of what is declared to be copies, no file is passed over.
func TestNoFileThatMayBeACopyIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	dirty(t, dir+"/x.db")
	random := string(bytes.Repeat([]byte{0xd1, 0x5e, 7, 0x99}, 2048))
	named := map[string]string{
		"empty.db": "", "random.db": random, "a.db.1": random, "a.db.gpg": random, "snapshot-1": random, "other.snap": random, "a.enc": random, "a.BAK": "x",
		"broken.db.gz": "\x1f\x8b\x08", "2026-10-01.gz": "\x1f\x8b\x08", "cut.gz": "\x1f", "etcd.zst": "\x28\xb5\x2f\xfd", "a.tar": random, "a.tar.gz": random, "lite.db": "SQLite format 3\x00",
		"sum.db.sha256": random, // too long for one
	}
	others := map[string]string{"monday": random, "notes.txt": "no", "none": ""}
	for name, text := range named {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for name, text := range others {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	testkit.Check(t, os.Symlink(dir+"/gone", dir+"/latest.db"))
	testkit.Check(t, os.Symlink(dir+"/gone", dir+"/latest"))
	testkit.Check(t, os.WriteFile(dir+"/x.db.sha256", []byte("5891b5b5  x.db"), 0o600))
	for _, declared := range []bool{false, true} {
		o := options()
		o.Declared, o.WorkDir = declared, t.TempDir()
		want := slices.AppendSeq([]string{"latest.db"}, maps.Keys(named))
		if declared {
			want = slices.AppendSeq(append(want, "latest"), maps.Keys(others))
		}
		got := testkit.Must(scan(t, o, dir))(t)
		for _, name := range want {
			if !slices.ContainsFunc(got.skipped, func(s string) bool {
				return strings.Contains(s, dir+"/"+name+" ") || strings.Contains(s, dir+"/"+name+":")
			}) {
				t.Errorf("%s is passed over, declared %v", name, declared)
			}
		}
		if len(got.skipped) != len(want) || !slices.Contains(got.keys[record.Live], "secrets/shop/a") {
			t.Errorf("skipped %q, want %d", got.skipped, len(want))
		}
	}
}

func TestWhatIsNotReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	dirty(t, dir+"/x.db")
	for name, text := range map[string]string{"etcd.zip": "PK\x03\x04", "db.gz": "\x1f\x8b\x08"} {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	testkit.Check(t, os.Symlink("/", filepath.Join(dir, "link")))
	got := testkit.Must(scan(t, options(), dir))(t)
	if all := strings.Join(got.skipped, "\n"); len(got.skipped) != 3 || !strings.Contains(all, "etcd.zip is packed") || !strings.Contains(all, "db.gz is compressed") || !strings.Contains(all, "link is a link to a directory: name that") {
		t.Errorf("%q", got.skipped)
	}
	o := options()
	for _, o.WALDir = range []string{filepath.Join(dir, "none"), dir} {
		if _, err := scan(t, o, dir); err == nil || !strings.Contains(err.Error(), "is no data directory") {
			t.Errorf("%s: %v", o.WALDir, err)
		}
	}
	dirty(t, dir+"/data/member/snap/db")
	if got := testkit.Must(scan(t, options(), dir+"/data"))(t); len(got.skipped) != 1 || !strings.Contains(got.skipped[0], "data/member is not there: name its directory with --wal-dir") {
		t.Errorf("a data directory without a log: %q", got.skipped)
	}
	if _, err := scan(t, o, dir+"/data"); err == nil || !strings.Contains(err.Error(), "is no segment") {
		t.Error(err)
	}
}

func TestADatabaseThatChangedSinceItWasOpenedIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	dirty(t, path)
	set := testkit.Must(offline.Open(t.Context(), []string{path}, options()))(t)
	defer func() { testkit.Check(t, set.Close()) }()
	f := testkit.Must(os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0))(t)
	testkit.Must(f.Write(make([]byte, 4096)))(t)
	testkit.Check(t, f.Close())
	if err := set.Sources[0].Read(t.Context(), func([]record.Record) error { return nil }); err == nil || !strings.Contains(err.Error(), "was changed while it was read") {
		t.Error(err)
	}
}

func TestAnInterruptEndsTheReading(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "x.db"))
	s.put("/registry/secrets/shop/a", secret("a", 10))
	set := testkit.Must(offline.Open(t.Context(), []string{s.close()}, options()))(t)
	defer func() { testkit.Check(t, set.Close()) }()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	cancel(stop)
	if err := set.Sources[0].Read(ctx, func([]record.Record) error { return nil }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// A damaged database ends in records, damage or one error: never in a panic, and never clean
// where a live value is missing.
func TestADamagedDatabaseIsNeverClean(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, filepath.Join(dir, "x.db"))
	for i := range 30 {
		s.put(fmt.Sprintf("/registry/secrets/shop/s%02d", i), secret(fmt.Sprintf("s%02d", i), []int{100, 500, 5000}[i%3]))
	}
	s.compact(10)
	whole := testkit.Must(os.ReadFile(s.close()))(t)
	want := len(testkit.Must(scan(t, options(), s.path))(t).keys[record.Live])
	random := rand.New(rand.NewPCG(1, 2))
	name := filepath.Join(dir, "damaged.db")
	for i := range 1000 {
		b := bytes.Clone(whole)
		for range 1 + random.IntN(8) {
			b[random.IntN(len(b)/4)] = byte(random.Uint32())
		}
		if i%10 == 0 {
			b = b[:random.IntN(len(b))]
		}
		testkit.Check(t, os.WriteFile(name, b, 0o600))
		got, err := scanQuietly(t, name)
		// bbolt has no checksum of values: a key can turn into another one unseen.
		read := len(got.keys[record.Live]) + len(got.keys[record.History]) + int(got.scopes[record.Live].Outside)
		if err == nil && got.damaged == 0 && len(got.scopes) == 3 && read < want {
			t.Fatalf("mutation %d: %d of %d values, and no damage", i, read, want)
		}
	}
}

// scanQuietly is scan without a look at the values, which may be anything.
func scanQuietly(t testing.TB, path string) (s scanned, err error) {
	s = scanned{scopes: map[record.Layer]record.Scope{}, keys: map[record.Layer][]string{}}
	set, err := offline.Open(t.Context(), []string{path}, options())
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	if err := set.Sources[0].Read(t.Context(), func(records []record.Record) error {
		for _, r := range records {
			s.keys[r.Origin.Layer] = append(s.keys[r.Origin.Layer], string(r.Key))
		}
		return nil
	}); err != nil {
		return s, err
	}
	for _, scope := range set.Sources[0].Scopes() {
		s.scopes[scope.Layer] = scope
	}
	for _, r := range set.Sources[0].(record.Leaver).Remains() {
		s.damaged += r.Damaged
	}
	return s, nil
}
