package hostfacts

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFileIsReachedThroughEveryDirectoryOfItsTarget(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed", "open")
	for _, err := range []error{
		os.MkdirAll(closed, 0o755), os.Chmod(filepath.Dir(closed), 0o700),
		os.WriteFile(filepath.Join(closed, "secret"), []byte("s"), 0o600),
		os.Symlink(filepath.Join(closed, "secret"), filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	way := Way(filepath.Join(dir, "link"))
	if n := len(way); n != strings.Count(closed, "/")+1 || way[n-1].Mode.Perm() != 0o755 || way[n-2].Mode.Perm() != 0o700 {
		t.Errorf("%+v", way)
	}
}

func TestLinksLeadWhereTheyLeadForTheOtherProcess(t *testing.T) {
	root := t.TempDir()
	socket := filepath.Join(t.TempDir(), "kms.sock")
	linked := filepath.Join(root, "there", "kms.sock")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(linked), 0o700), os.Symlink(socket, linked),
		os.MkdirAll(filepath.Join(root, filepath.Dir(socket)), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := statIn(root, "/there/kms.sock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link out of the container leads to this node's own socket: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, socket), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := statIn(root, "/there/kms.sock"); err != nil {
		t.Errorf("a link inside the container: %v", err)
	}
	// A directory may have lost its own.
	if seen := SeenFrom(root, filepath.Join(socket, "s")); seen != (Seen{}) {
		t.Errorf("below a file: %+v", seen)
	}
}

func TestGroupsAndSwapAreReadAsTheirFilesSay(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Swaps(dir); err == nil {
		t.Error("swap that cannot be seen is called none")
	}
	write("swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 8 0 -2\n/swap.img file 4 0 -3\n")
	if devices, err := Swaps(dir); err != nil || !slices.Equal(devices, []string{"/dev/sda2", "/swap.img"}) {
		t.Errorf("swap: %v, %v", devices, err)
	}
	write("swaps", "Filename\tType\tSize\tUsed\tPriority\n")
	if devices, err := Swaps(dir); err != nil || len(devices) > 0 {
		t.Errorf("no swap: %v, %v", devices, err)
	}
	write("group", "root:x:0:\nkms:x:990:alice,bob\nbroken\n")
	if name, members := Group(filepath.Join(dir, "group"), 990); name != "kms" || !slices.Equal(members, []string{"alice", "bob"}) {
		t.Errorf("group %s: %v", name, members)
	}
	if name, members := Group(filepath.Join(dir, "group"), 7); name != "7" || members != nil {
		t.Errorf("a group without a name: %s: %v", name, members)
	}
}
