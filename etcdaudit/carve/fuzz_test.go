package carve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealproof/sealproof/etcdaudit/carve"
)

// FuzzSearch looks for panics, for hits outside the extent, for more reading than
// the bytes are worth, and for hits that depend on how the bytes are read.
func FuzzSearch(f *testing.F) {
	for _, data := range named(f) {
		f.Add(data, 0, 0)
	}
	f.Add(cook(f, 1, 5).data, 3, 5)
	f.Add([]byte(`{"kind":"Secret","metadata":{"name":"a"}}`), 0, 0)
	f.Add([]byte("x\nkind: Secret\nmetadata:\n  name: a\n"), 0, 0)
	s := carve.New(carve.Options{})
	small := carve.New(carve.Options{}).Limit(7, 2<<20)
	f.Fuzz(func(t *testing.T, data []byte, from, less int) {
		to := len(data) - less
		if from < 0 || from > to || to > len(data) {
			return
		}
		hits := search(t, s, data, int64(from), int64(to))
		for _, h := range hits {
			if h.Offset < int64(from) || h.Offset >= int64(to) || !h.Cut && h.Length >= 0 && h.Offset+h.Length > int64(to) {
				t.Errorf("from %d to %d: %+v", from, to, h)
			}
			if !h.End && h.Key == "" && h.Name == "" || !bytes.Contains(data[from:to], []byte(h.Name)) || !bytes.Contains(data[from:to], []byte(h.Key)) {
				t.Errorf("%q %q is not in the bytes", h.Key, h.Name)
			}
		}
		if diff := cmp.Diff(hits, search(t, small, data, int64(from), int64(to))); diff != "" {
			t.Errorf("windows of 7 bytes: %s", diff)
		}
		if o, ok := carve.Within(data); ok && (o.Offset < 0 || o.Offset+o.Length > int64(len(data)) || len(o.Name) == 0) {
			t.Errorf("%q at %d of %d bytes", o.Name, o.Offset, len(data))
		}
	})
}

// TestDamagedBytesAreSearched changes bytes of a soup in a thousand ways: what is
// reported lies in the bytes, and does not depend on how they are read.
func TestDamagedBytesAreSearched(t *testing.T) {
	t.Parallel()
	const mutations = 1200
	s, small := carve.New(carve.Options{}), carve.New(carve.Options{}).Limit(999, 2<<20)
	soups := [][]byte{cook(t, 5, 12).data, cook(t, 6, 12).data, cook(t, 7, 12).data}
	r := rand.New(rand.NewPCG(11, 12))
	for n := range mutations {
		data := bytes.Clone(soups[n%len(soups)])
		for range 1 + r.IntN(40) {
			at := r.IntN(len(data))
			switch r.IntN(4) {
			case 0:
				data[at] ^= 1 << r.IntN(8)
			case 1:
				data[at] = byte(r.IntN(256))
			case 2:
				data = append(data[:at], data[min(len(data), at+r.IntN(100)):]...)
			case 3:
				from := r.IntN(len(data))
				copy(data[at:], bytes.Clone(data[from:min(len(data), from+r.IntN(3000))]))
			}
			if len(data) < 2 {
				break
			}
		}
		hits := search(t, s, data, 0, int64(len(data)))
		for _, h := range hits {
			if h.Offset < 0 || h.Offset >= int64(len(data)) || !h.Cut && h.Length >= 0 && h.Offset+h.Length > int64(len(data)) {
				t.Fatalf("mutation %d: %+v", n, h)
			}
		}
		if diff := cmp.Diff(hits, search(t, small, data, 0, int64(len(data)))); diff != "" {
			t.Fatalf("mutation %d: %s", n, diff)
		}
	}
}

// Bytes that seem to be the middle of an object again and again must not be read
// again and again.
func TestHostileBytesAreSearchedInTime(t *testing.T) {
	t.Parallel()
	for _, part := range []string{
		`{"kind":"Secret"`, `"kind":"Secret",`, `}"kind":"Secret"`, "\nkind: Secret\n", "kind: Secret\n ", `\n  kind: Secret`,
		"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\xff\xff\xff\x07\n", "\xd9\xd9\xf7\xbaff\xff\xffDkindFSecret", "\xd9\xd9\xf7\xbb\x7f\xff\xff\xff\xff\xff\xff\xffA",
		"\n\x1c/registry/secrets/default/db\x12\xff\xff\xff\x07{", "\n\x10/registry/p/a/bc\x12\xff\xff\xff\x07{", "\x1a\x06Opaque\x1a\x00\x22\x00", `"type":"Opaque"}` + "\n",
		"apiVersion: v1\ndata:\nkind: Secret\n", "kind:\"kind\":\"Secret",
	} {
		data := []byte(strings.Repeat(part, 256<<10/len(part)))
		start := time.Now()
		search(t, carve.New(carve.Options{}), data, 0, int64(len(data)))
		// An idle core needs a tenth of a second. Without a bound it is minutes, and with the
		// race detector more than an hour.
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("%.40q, repeated: %v", part, took)
		}
	}
}

type failing struct {
	io.ReaderAt
	from int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.from {
		return f.ReaderAt.ReadAt(p, off)
	}
	n, _ := f.ReaderAt.ReadAt(p[:max(0, f.from-off)], off)
	return n, errors.New("the disk is broken")
}

func TestWhatCanBeReadIsSearched(t *testing.T) {
	s := carve.New(carve.Options{}).Limit(1000, 2<<20)
	soup := cook(t, 3, 60)
	broken := int64(len(soup.data)) * 2 / 3
	hits := 0
	err := s.Search(context.Background(), failing{bytes.NewReader(soup.data), broken}, 0, int64(len(soup.data)), func(carve.Hit) error { hits++; return nil })
	if err == nil || !strings.Contains(err.Error(), "the disk is broken") || hits < len(soup.want)/3 {
		t.Errorf("%d of %d hits, %v", hits, len(soup.want), err)
	}
	err = s.Search(context.Background(), bytes.NewReader(soup.data), 0, int64(len(soup.data))+10, func(carve.Hit) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that has become shorter: %v", err)
	}
	stop := errors.New("stop")
	if err := s.Search(context.Background(), bytes.NewReader(soup.data), 0, int64(len(soup.data)), func(carve.Hit) error { return stop }); err != stop { //nolint:errorlint // returned as it is
		t.Errorf("%v in place of the caller's error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Search(ctx, bytes.NewReader(soup.data), 0, int64(len(soup.data)), func(carve.Hit) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
