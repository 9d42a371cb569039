package verify_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/test/testkit"
)

// values are Secrets of about 1 KiB that API servers have written in turn, with the
// seed of each.
type values struct{ keys, stored, seeds [][]byte }

func newValues(b *testing.B, p *plugin, servers, n int) (v values) {
	b.Helper()
	var writers []func(key string, plaintext []byte) []byte
	var seeds [][]byte
	for range servers {
		w := p.apiServer(b, true)
		writers = append(writers, func(key string, plaintext []byte) []byte { return write(b, w, key, plaintext) })
	}
	for i := range n {
		name := fmt.Sprintf("db-%06d", i)
		key := keyOf("default", name)
		plaintext := secretWith(b, "default", name, strings.Repeat("x", 900))
		v.keys, v.stored = append(v.keys, []byte(key)), append(v.stored, writers[i%servers](key, plaintext))
		if i < servers {
			parsed := storedvalue.Parse(v.stored[i])
			seeds = append(seeds, testkit.Must(p.aead.Open(nil, nil, parsed.DEKSource, binding(p.keyID, p.annotations)))(b))
		}
		v.seeds = append(v.seeds, seeds[i%servers])
	}
	return v
}

// cpu is the time that this process has computed, in nanoseconds. Unlike the time that
// passes it does not grow with what else runs on the machine.
func cpu(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	testkit.Check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkOpen is what verifying takes for each value, beside a bare loop of what
// cannot be left out: HKDF, AES and GCM with the etcd key as associated data, on
// ciphertexts that were found before.
func BenchmarkOpen(b *testing.B) {
	const n = 4096
	p := newPlugin(b, 1, "v1.1a59272dddb2dcbe12d0c1da5b88c6c4", map[string][]byte{
		"cluster.sealproof": []byte("prod"), "kek.sealproof": []byte("vault:v1:" + strings.Repeat("x", 80)),
	})
	for _, servers := range []int{1, 3, 100} {
		v := newValues(b, p, servers, n)
		run := func(name string, worker func() (open func(i int) bool, end func())) {
			b.Run(fmt.Sprintf("%s/sources=%d", name, servers), func(b *testing.B) {
				b.SetBytes(int64(len(v.stored[0])))
				b.ReportAllocs()
				var next atomic.Int64
				before := cpu(b)
				b.RunParallel(func(pb *testing.PB) {
					open, end := worker()
					defer end()
					for i := int(next.Add(n / 4)); pb.Next(); i++ {
						if !open(i % n) {
							b.Error("not opened")
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "values/s")
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
		sources := verify.NewSources(p)
		run("verify", func() (func(int) bool, func()) {
			o := verify.New(verify.Config{Sources: sources})
			return func(i int) bool { return o.Open(b.Context(), v.keys[i], v.stored[i]).Identity == verify.Same }, o.Clear
		})
		sources.Clear()
		ciphertexts := make([][]byte, n)
		for i := range ciphertexts {
			ciphertexts[i] = storedvalue.Parse(v.stored[i]).Ciphertext
		}
		run("bare", func() (func(int) bool, func()) {
			var buffer []byte
			return func(i int) bool {
				c := ciphertexts[i]
				key, err := hkdf.Expand(sha256.New, v.seeds[i], string(c[:32]), 32)
				if err != nil {
					return false
				}
				block, err := aes.NewCipher(key)
				if err != nil {
					return false
				}
				aead, err := cipher.NewGCM(block)
				if err != nil {
					return false
				}
				buffer, err = aead.Open(buffer[:0], c[32:44], c[44:], v.keys[i])
				return err == nil
			}, func() {}
		})
	}
}
