package wal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/components"
)

// BenchmarkRead reads a segment of 64 MB. Beside it is the rate of etcd's own decoder, in a
// process of its own, in its fastest of five passes.
func BenchmarkRead(b *testing.B) {
	binaries, err := components.Build(b.Context(), b.Output(), components.ReadLog)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1 << 10, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("values of %d bytes", size), func(b *testing.B) {
			s := newSegment()
			for value := strings.Repeat("v", size); len(s.bytes) < 64_000_000; {
				s.put("/registry/secrets/default/name", value)
			}
			path := filepath.Join(b.TempDir(), "segment")
			if err := os.WriteFile(path, s.bytes, 0o600); err != nil {
				b.Fatal(err)
			}
			out, err := exec.CommandContext(b.Context(), binaries[components.ReadLog].Path, "-passes", "5", path).Output()
			if err != nil {
				b.Fatal(err)
			}
			etcd, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			if err != nil {
				b.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(int64(len(s.bytes)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(b.Context(), f, int64(len(s.bytes)), func(Put) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(s.bytes))/etcd*1e3, "etcd-MB/s")
		})
	}
}

func TestNothingIsAllocatedForAnEntry(t *testing.T) {
	s := newSegment()
	for range 5000 {
		s.put("/registry/secrets/default/name", "value")
	}
	allocations := testing.AllocsPerRun(5, func() {
		if _, err := Read(t.Context(), bytes.NewReader(s.bytes), int64(len(s.bytes)), func(Put) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	if allocations > 10 {
		t.Errorf("%v allocations for 5000 entries", allocations)
	}
}
