// Package bench measures the product as ratios: each figure stands beside a
// floor or a peer that was measured in the same run, call by call in turn, so
// that a slow or busy machine slows both.
package bench

import (
	"slices"
	"testing"
	"time"
)

// pair times two operations in turn.
type pair struct {
	floor, subject []time.Duration
}

// measure runs both operations alternately, a number of rounds for each b.N.
func (p *pair) measure(b *testing.B, rounds int, floor, subject func() error) {
	b.Helper()
	for b.Loop() {
		for range rounds {
			p.floor = append(p.floor, timed(b, floor))
			p.subject = append(p.subject, timed(b, subject))
		}
	}
	p.report(b)
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// report replaces ns/op, which would be that of both together.
func (p *pair) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", .5}, {"p99", .99}} {
		floor, subject := quantile(p.floor, q.at), quantile(p.subject, q.at)
		b.ReportMetric(float64(floor.Nanoseconds()), q.name+"-floor-ns")
		b.ReportMetric(float64(subject.Nanoseconds()), q.name+"-ns")
		b.ReportMetric(float64(subject)/float64(floor), q.name+"-ratio")
	}
}

func quantile(samples []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(q*float64(len(sorted)-1))]
}
