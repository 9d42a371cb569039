package live_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/cluster"
)

// etcd makes the messages of a stream larger while values are small: here the first large values
// all come in one, of 300 MiB.
func TestLargeValuesAfterManySmallOnesStayWithinTheLimit(t *testing.T) {
	const small, large, size = 20_000, 300, 1 << 20
	e := startEtcd(t, "--quota-backend-bytes=2147483648")
	fill(t, e, "/registry/secrets/a/", small, "x")
	big := strings.Repeat("v", size)
	for i := range large {
		put(t, e, fmt.Sprintf("/registry/secrets/b/%04d", i), big)
	}
	restartAll(t, e)
	before := peakOf(t, e)
	snap := pin(t, connect(t, configOf(e)), "/registry")
	runtime.GC()
	var peak uint64
	read, largest := 0, 0
	if err := snap.Read(t.Context(), func(page []record.Record) error {
		n := 0
		for _, kv := range page {
			n += len(kv.Value)
		}
		read, largest = read+len(page), max(largest, n)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ours := peakOf(t, e)
	if read != small+large || largest > 16<<20 {
		t.Errorf("%d values, and %d MiB of them at once", read, largest>>20)
	}
	// Two answers of the receive limit, and as much that is not collected yet.
	if peak > 96<<20 {
		t.Errorf("%d MiB of heap for %d MiB of values", peak>>20, large*size>>20)
	}
	restartAll(t, e)
	stream, err := e.Client().GetStream(t.Context(), "/registry/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for part := range stream {
		if err := part.Err(); err != nil && !strings.Contains(err.Error(), "RangeStream") { // before 3.7
			t.Fatal(err)
		}
	}
	t.Logf("etcd's resident memory, the most: %d MiB before, %d after this reading, %d after a stock client's stream; %d MiB of heap here",
		before, ours, peakOf(t, e), peak>>20)
}

// restartAll gives etcd's memory back.
func restartAll(t *testing.T, e *cluster.Etcd) {
	t.Helper()
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// peakOf is the most memory that etcd's only member has had since its start, in MiB.
func peakOf(t *testing.T, e *cluster.Etcd) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.Member(0).PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
