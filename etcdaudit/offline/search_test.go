package offline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/testkit"
)

// Copies of whole members count as files do: each of them is kept open.
func TestASearchForCopiesIsBounded(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "000", "member/snap/db")
	dirty(t, first)
	for i := range 600 {
		snap := fmt.Sprintf("%s/%03d/member/snap", dir, i+1)
		testkit.Check(t, os.MkdirAll(snap, 0o700))
		testkit.Check(t, os.WriteFile(snap+"/db", testkit.Must(os.ReadFile(first))(t), 0o600))
	}
	set := testkit.Must(offline.Open(t.Context(), []string{dir}, options()))(t)
	defer func() { testkit.Check(t, set.Close()) }()
	if len(set.Sources) != 500 || len(set.Skipped) != 1 || !strings.Contains(set.Skipped[0], "and what follows: more than") {
		t.Errorf("%d copies, %q", len(set.Sources), set.Skipped)
	}
}

// A member reads what a link in its directories leads to, and so does the audit.
func TestLinksInADataDirectoryAreFollowed(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	dirty(t, dir+"/member/snap/db")
	dirty(t, elsewhere+"/received.db")
	testkit.Check(t, os.MkdirAll(dir+"/member/wal", 0o700))
	const name = "0000000000000000-0000000000000000.wal"
	testkit.Check(t, os.WriteFile(elsewhere+"/"+name, slices.Concat(segmentOf(1), []byte(secret("old", 40)+"\n")), 0o600))
	testkit.Check(t, os.Symlink(elsewhere+"/"+name, dir+"/member/wal/"+name))
	testkit.Check(t, os.Symlink(elsewhere+"/received.db", dir+"/member/snap/0000000000000001.snap.db"))
	testkit.Check(t, os.Symlink(elsewhere+"/nowhere", dir+"/member/snap/0000000000000002.snap.db"))
	set := testkit.Must(offline.Open(t.Context(), []string{dir}, options()))(t)
	testkit.Check(t, set.Close())
	if len(set.Sources) != 3 {
		t.Errorf("%d sources of 3", len(set.Sources))
	}
	got, err := scan(t, options(), dir)
	if err != nil || len(got.skipped) != 0 || !slices.Equal(got.keys[record.WAL], []string{"secrets/shop/old"}) {
		t.Errorf("%v, %+v", err, got)
	}
}
