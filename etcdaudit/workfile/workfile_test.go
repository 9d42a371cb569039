package workfile_test

import (
	"os"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/workfile"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestSomeOfTheFileSystemStaysFree(t *testing.T) {
	for size, room := range map[string]int{"200m": 0, "260m": 4 << 20} {
		dir := testkit.FileSystem(t, size)
		f := testkit.Must(workfile.Make(dir, "work"))(t)
		w := &workfile.Writer{File: f}
		written := 0
		var err error
		for err == nil && written < 16<<20 {
			var n int
			n, err = w.Write(make([]byte, 1<<20))
			written += n
		}
		if !workfile.Full(err) || written > room || room > 0 && written == 0 {
			t.Errorf("of %s, %d MiB were written: %v", size, written>>20, err)
		}
		if left := testkit.Must(os.ReadDir(dir))(t); len(left) > 0 {
			t.Errorf("%v has a name", left)
		}
		testkit.Check(t, f.Close())
	}
}
