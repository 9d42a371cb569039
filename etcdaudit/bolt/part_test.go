package bolt_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/test/testkit"
)

// inParts fails where the runs of a file are others if they are found part by part. It calls read
// each time that all parts were found.
func inParts(t testing.TB, b []byte, f *bolt.File, reach *bolt.Reach, want []bolt.Run, read func()) {
	t.Helper()
	for _, pages := range []int64{1, 3, 20} {
		size := pages * f.Meta().PageSize
		var got []bolt.Run
		end := int64(0)
		testkit.Check(t, f.Parts(context.Background(), reach, size, func(p bolt.Part) error {
			if p.Offset < end || p.Length <= 0 || p.Length > size && p.Long == nil {
				t.Fatalf("the part %+v of at most %d bytes, behind one that ends at %d", p, size, end)
			}
			end = p.Offset + p.Length
			if p.Long != nil {
				got = append(got, *p.Long)
				return nil
			}
			return f.RestIn(context.Background(), reach, p, b[p.Offset:end], func(run bolt.Run) error {
				got = append(got, run)
				return nil
			})
		}))
		read()
		if !slices.Equal(got, want) {
			t.Fatalf("in parts of %d pages the runs are\n%s\nwant\n%s", pages, lines(got), lines(want))
		}
	}
}

func TestPartsEndWithTheFile(t *testing.T) {
	t.Parallel()
	d := disk{pageSize: 512}
	d.leaf(2, 0, pair{[]byte("k"), []byte("v")})
	d.bucket(3, 2)
	d.metas(3, 4)
	for page := range 3 {
		d.leaf(4+page, 0, pair{[]byte("k"), []byte("v")}) // beyond the last page
	}
	for size := 4 * 512; size <= len(d.b); size++ {
		b := d.b[:size:size]
		f := open(t, b)
		reach := testkit.Must(f.Reach(context.Background()))(t)
		inParts(t, b, f, reach, rest(t, f, reach), func() {})
	}
}

func lines(runs []bolt.Run) (text string) {
	for _, run := range runs {
		text += fmt.Sprintf("%+v\n", run)
	}
	return text
}
