package live_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// BenchmarkRead reads values of 1 KiB from a real etcd on loopback, which
// shares the processors.
func BenchmarkRead(b *testing.B) {
	const keys = 100_000
	e := startEtcd(b, "--quota-backend-bytes=2147483648")
	fill(b, e, "/registry/secrets/default/s", keys, strings.Repeat("v", 1024))
	s := connect(b, configOf(e))
	for b.Loop() {
		snap := pin(b, s, "/registry")
		read := 0
		if err := snap.Read(b.Context(), func(page []record.Record) error {
			read += len(page)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		if read != keys {
			b.Fatal(fmt.Errorf("%d keys", read))
		}
	}
	b.ReportMetric(keys*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}
