package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCacheRefusesADirectoryWithSomethingElseInIt(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"precious.txt": "not ours"})
	c := cache{dir: dir}

	if err := c.open(); err == nil || !strings.Contains(err.Error(), cacheVariable) {
		t.Errorf("open: %v", err)
	}
	if err := c.clean(); err == nil {
		t.Error("clean accepted a directory that is not ours")
	}
	if _, err := os.Stat(filepath.Join(dir, "precious.txt")); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

func TestCleanEmptiesTheCache(t *testing.T) {
	c := cache{dir: t.TempDir()}
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, c.dir, map[string]string{"etcd@1/etcd": "binary", lockFile: ""})

	for range 2 { // the second time there is nothing left
		if err := c.clean(); err != nil {
			t.Fatal(err)
		}
	}

	if left, err := os.ReadDir(c.dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestPruneRemovesOnlyWhatNothingUses(t *testing.T) {
	c := cache{dir: t.TempDir()}
	writeFiles(t, c.dir, map[string]string{
		"etcd@old/etcd":  "binary",
		"etcd@used/etcd": "binary",
		"etcd@new/etcd":  "binary",
	})
	now := time.Now()
	long := now.Add(-2 * unusedFor)
	for _, entry := range []string{"etcd@old", "etcd@used"} {
		if err := os.Chtimes(filepath.Join(c.dir, entry), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := c.find("etcd@used", "etcd"); !ok {
		t.Fatal("the entry is not found")
	}

	c.prune(now.Add(-unusedFor))

	for entry, want := range map[string]bool{"etcd@old": false, "etcd@used": true, "etcd@new": true} {
		if _, got := c.find(entry, "etcd"); got != want {
			t.Errorf("%s is there: %v, want %v", entry, got, want)
		}
	}
}
