package offline_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// One path among several that leads to nothing readable is named, and the others are read.
func TestOneBadFileAmongSeveralIsSkipped(t *testing.T) {
	dir := t.TempDir()
	dirty(t, filepath.Join(dir, "good.db"))
	good := testkit.Must(os.ReadFile(filepath.Join(dir, "good.db")))(t)
	write := func(name string, b []byte) string {
		name = filepath.Join(dir, name)
		testkit.Check(t, os.WriteFile(name, b, 0o600))
		return name
	}
	for says, bad := range map[string]string{
		"is empty": write("empty.db", nil),
		"is no database, snapshot or write-ahead log": write("text", []byte("no")),
		"k3s keeps its objects in SQLite":             write("state.db", []byte("SQLite format 3\x00")),
		"is compressed":                               write("x.db.gz", []byte("\x1f\x8b\x08")),
	} {
		for _, paths := range [][]string{{bad, filepath.Join(dir, "good.db")}, {filepath.Join(dir, "good.db"), bad}} {
			got, err := scan(t, options(), paths...)
			if err != nil || !slices.Contains(got.keys[record.Live], "secrets/shop/a") || len(got.skipped) != 1 || !strings.Contains(got.skipped[0], says) {
				t.Errorf("%q: %v, skipped %q, %v", paths, err, got.skipped, got.keys)
			}
		}
		if _, err := scan(t, options(), bad, bad); !oneLine(err, "nothing of what was named can be read") || strings.Count(err.Error(), says) != 2 {
			t.Errorf("nothing but %s: %v", bad, err)
		}
	}
	if _, err := scan(t, options(), filepath.Join(dir, "good.db"), filepath.Join(dir, "godo.db")); !oneLine(err, "no such file") {
		t.Errorf("a mistyped name: %v", err)
	}
	zeros := write("zeros.db", slices.Concat(make([]byte, 8192), good[8192:]))
	if got, err := scan(t, options(), zeros, filepath.Join(dir, "good.db")); err != nil || len(got.skipped) != 0 || !slices.Contains(got.keys[record.Undetermined], "secrets/shop/a") {
		t.Errorf("without meta pages: %v, %+v", err, got)
	}
}

// In a directory that is declared to hold backups nothing is passed over in silence.
func TestInADeclaredDirectoryWhatIsNotReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	dirty(t, filepath.Join(dir, "good.db"))
	good := testkit.Must(os.ReadFile(filepath.Join(dir, "good.db")))(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	testkit.Must(z.Write(good))(t)
	testkit.Check(t, z.Close())
	for name, b := range map[string][]byte{"2026-10-01.gz": packed.Bytes(), "etcd.db.gpg": []byte("\x85\x02"), "0000000000000001-0000000000000002.snap": []byte("members")} {
		testkit.Check(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	for _, declared := range []bool{false, true} {
		o := options()
		o.WorkDir, o.Declared = t.TempDir(), declared
		got := testkit.Must(scan(t, o, dir))(t)
		copies := 0
		for _, key := range got.keys[record.Live] {
			if key == "secrets/shop/a" {
				copies++
			}
		}
		want := []string{"2026-10-01.gz is compressed", "etcd.db.gpg is no database"}
		if declared {
			want = want[1:]
		}
		skipped := strings.Join(got.skipped, "; ")
		if copies != 3-len(want) || len(got.skipped) != len(want) || slices.ContainsFunc(want, func(s string) bool { return !strings.Contains(skipped, s) }) {
			t.Errorf("declared %v: %d copies, skipped %q", declared, copies, got.skipped)
		}
	}
}

func TestTheLogBesideAnEmptyDatabaseIsRead(t *testing.T) {
	dir := t.TempDir()
	testkit.Check(t, os.MkdirAll(dir+"/member/snap", 0o700))
	testkit.Check(t, os.MkdirAll(dir+"/member/wal", 0o700))
	testkit.Check(t, os.WriteFile(dir+"/member/snap/db", nil, 0o600))
	// Behind the last entry bytes are searched.
	segment := slices.Concat(segmentOf(1), []byte(secret("old", 40)+"\n"))
	testkit.Check(t, os.WriteFile(dir+"/member/wal/0000000000000000-0000000000000000.wal", segment, 0o600))
	got, err := scan(t, options(), dir)
	if err != nil || !slices.Equal(got.keys[record.WAL], []string{"secrets/shop/old"}) || len(got.skipped) != 1 || !strings.Contains(got.skipped[0], "snap/db is empty") {
		t.Errorf("%v, %+v", err, got)
	}
}

// The keys of a tree that has none of Kubernetes, or none any more, tell nothing of what lies in
// pages that are not in use.
func TestNoKeyOfTheTreeIsNeededToFindWhatIsLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		prefix string // of what was deleted
		given  string
		live   string // a key that is left; empty for none
	}{
		"nothing is live":             {prefix: "/registry"},
		"another program's is live":   {prefix: "/registry", live: "/skydns/a"},
		"with a prefix of its own":    {prefix: "/kubernetes.io", live: "/skydns/a"},
		"with the prefix given":       {prefix: "/registry", given: "/registry", live: "/skydns/a"},
		"a prefix that only it tells": {prefix: "/a/b", live: "/skydns/a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := emptyStore(t, filepath.Join(t.TempDir(), "x.db"))
			s.put(tc.prefix+"/namespaces/kube-system", stored.Plaintext)
			for i := range 40 {
				s.put(fmt.Sprintf("%s/secrets/shop/s%02d", tc.prefix, i), secret(fmt.Sprintf("s%02d", i), 3000))
			}
			last := s.revision
			if tc.live != "" {
				s.put(tc.live, "x")
			}
			s.compact(last + 1)
			o := options()
			o.Prefix = tc.given
			set := testkit.Must(offline.Open(t.Context(), []string{s.close()}, o))(t)
			defer func() { testkit.Check(t, set.Close()) }()
			found := 0
			testkit.Check(t, set.Sources[0].Read(t.Context(), func(records []record.Record) error {
				for _, r := range records {
					if strings.Contains(string(r.Key), "/secrets/shop/s") {
						found++
					}
				}
				return nil
			}))
			if found < 30 {
				t.Errorf("%d of 40 are found", found)
			}
			if prefix := set.Sources[0].Scopes()[0].Prefix; tc.given == "" && prefix != tc.prefix+"/" {
				t.Errorf("prefix %s", prefix)
			}
		})
	}
}
