package carve_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

const benchSize = 32 << 20

// filled repeats records until they have the size of the benchmarks.
func filled(record func(i int) []byte) []byte {
	data := make([]byte, 0, benchSize)
	for i := 0; len(data) < benchSize; i++ {
		data = append(data, record(i)...)
	}
	return data[:benchSize]
}

func key(i int) string { return fmt.Sprintf("/registry/secrets/namespace-%d/name-%d", i%100, i) }

// BenchmarkSearch is compared with BenchmarkFloor: the same reads, with each byte
// looked at once.
func BenchmarkSearch(b *testing.B) {
	secrets := func(f storedvalue.Format) func(i int) []byte {
		value := encode(b, f, secret("namespace", "name", 700))
		return func(i int) []byte { return keyValue(b, key(i), value, 1, int64(i)+1000, 1) }
	}
	random := garbage(3, 2<<20)
	zeros := make([]byte, benchSize)
	clear(zeros) // or the first to read them pays for their pages
	pods := encode(b, storedvalue.Protobuf, &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/a/b:v1", Env: []corev1.EnvVar{{Name: "PATH", Value: "/usr/bin"}}}}}})
	widgets := widget(b, map[string]any{"items": []any{"a", "b"}, "text": manifestOf(20), "type": "Ready"})
	for _, bm := range []struct {
		name string
		data []byte
	}{
		{"ciphertext", filled(func(i int) []byte {
			return keyValue(b, key(i), append([]byte("k8s:enc:kms:v2:p:"), random[i%1000*1000:][:1000]...), 1, int64(i)+1000, 1)
		})},
		{"zeros", zeros},
		{"random", garbage(5, benchSize)},
		{"pods", filled(func(i int) []byte {
			return keyValue(b, fmt.Sprintf("/registry/pods/n/p-%d", i), pods, 1, int64(i)+1000, 1)
		})},
		{"custom-resources", filled(func(i int) []byte {
			return keyValue(b, fmt.Sprintf("/registry/example.com/widgets/n/p-%d", i), widgets, 1, int64(i)+1000, 1)
		})},
		{"all-hits-protobuf", filled(secrets(storedvalue.Protobuf))},
		{"all-hits-json", filled(secrets(storedvalue.JSON))},
		{"all-hits-yaml", filled(secrets(storedvalue.YAML))},
		{"all-hits-cbor", filled(secrets(storedvalue.CBOR))},
		{"all-hits-without-keys", filled(func(int) []byte { return encode(b, storedvalue.Protobuf, secret("namespace", "name", 700)) })},
		{"all-hits-300KiB", filled(func(i int) []byte {
			return keyValue(b, key(i), encode(b, storedvalue.Protobuf, secret("namespace", "name", 300<<10)), 1, 2, 3)
		})},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s, r, hits := carve.New(carve.Options{}), bytes.NewReader(bm.data), 0
			b.ReportAllocs()
			defer perCore(b, benchSize)()
			for b.Loop() {
				hits = 0
				if err := s.Search(context.Background(), r, 0, benchSize, func(carve.Hit) error { hits++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(hits), "hits")
		})
		b.Run(bm.name+"-floor", func(b *testing.B) { floor(b, bm.data) })
	}
}

func manifestOf(lines int) string {
	return string(bytes.Repeat([]byte("server: \"https://registry.example.com\"\n"), lines))
}

// perCore reports how many bytes one core searches in a second. It counts the
// thread's own time: other programs may keep the cores busy.
func perCore(b *testing.B, size int) (report func()) {
	runtime.LockOSThread()
	used := func() time.Duration {
		const thread = 1 // RUSAGE_THREAD
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() {
		defer runtime.UnlockOSThread()
		b.ReportMetric(float64(size)*float64(b.N)/(used()-start).Seconds()/(1<<30), "GiB/s/core")
	}
}

// floor reads the data and looks at each byte once.
func floor(b *testing.B, data []byte) {
	r, buf, zeros := bytes.NewReader(data), make([]byte, 256<<10), 0
	defer perCore(b, len(data))()
	for b.Loop() {
		for at := int64(0); at < int64(len(data)); {
			n, err := r.ReadAt(buf, at)
			if err != nil && err != io.EOF {
				b.Fatal(err)
			}
			for _, c := range buf[:n] {
				if c == 0 {
					zeros++
				}
			}
			at += int64(n)
		}
	}
	b.ReportMetric(float64(zeros), "zeros")
}

// BenchmarkPages searches many extents of one page, as the free pages of a
// database are.
func BenchmarkPages(b *testing.B) {
	const page = 4096
	data := garbage(5, benchSize)
	s, r := carve.New(carve.Options{}), bytes.NewReader(data)
	b.ReportAllocs()
	defer perCore(b, benchSize)()
	for b.Loop() {
		for at := int64(0); at < benchSize; at += page {
			if err := s.Search(context.Background(), r, at, at+page, func(carve.Hit) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkWithin(b *testing.B) {
	for name, value := range map[string][]byte{
		"nothing":     encode(b, storedvalue.Protobuf, configMap("m", map[string]string{"text": manifestOf(100)})),
		"a-reference": widget(b, map[string]any{"text": manifestOf(100), "ref": map[string]any{"kind": "Secret", "name": "x"}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer perCore(b, len(value))()
			for b.Loop() {
				_, _ = carve.Within(value)
			}
		})
	}
}
