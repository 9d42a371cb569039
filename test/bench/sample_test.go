// Package bench measures the product as ratios: each figure stands beside a
// floor or a peer that was measured in the same run, call by call in turn, so
// that a slow or busy machine slows both. Benchmarks named Scenario take their
// time and are run once.
//
// It must never know how the product comes to its figures: it starts real
// processes and looks at them from outside.
package bench

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/bench/record"
)

// pair times two operations in turn, or only one where floorName is empty.
type pair struct {
	// group names the plot that the pair belongs to; empty for none.
	group, subjectName, floorName string
	// limits are what the subject must keep to, at some quantiles.
	limits []record.Limit
	// before is done before each of both, and not timed; nil for nothing.
	before func() error

	floor, subject []time.Duration
}

// measure runs both operations alternately, a number of rounds for each b.N.
func (p *pair) measure(b *testing.B, rounds int, floor, subject func() error) {
	b.Helper()
	for b.Loop() {
		for range rounds {
			p.prepare(b)
			p.floor = append(p.floor, timed(b, floor))
			p.prepare(b)
			p.subject = append(p.subject, timed(b, subject))
		}
	}
	p.report(b)
}

func (p *pair) prepare(b *testing.B) {
	b.Helper()
	if p.before == nil {
		return
	}
	if err := p.before(); err != nil {
		b.Fatal(err)
	}
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// crowd has n callers at a time repeat both operations, in slices of time so
// short that whatever else the machine does meets both.
func (p *pair) crowd(b *testing.B, n int, slice, each time.Duration, floor, subject func() error) {
	b.Helper()
	for range each / slice {
		p.floor = append(p.floor, together(b, n, slice, floor)...)
		p.subject = append(p.subject, together(b, n, slice, subject)...)
	}
}

// together has n callers repeat one operation until d is over, and returns how
// long each call took.
func together(b *testing.B, n int, d time.Duration, f func() error) []time.Duration {
	b.Helper()
	var wg sync.WaitGroup
	took := make([][]time.Duration, n)
	end := time.Now().Add(d)
	for i := range n {
		wg.Go(func() {
			for start := time.Now(); start.Before(end); {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
				done := time.Now()
				took[i] = append(took[i], done.Sub(start))
				start = done
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return slices.Concat(took...)
}

// report replaces ns/op, which would be that of both together.
func (p *pair) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	at := []float64{.5, .9, .99}
	for _, l := range p.limits {
		if !slices.Contains(at, l.At) {
			at = append(at, l.At)
		}
	}
	for _, q := range at {
		name, subject := record.QuantileName(q), quantile(p.subject, q)
		b.ReportMetric(float64(subject), name+"-ns")
		if p.floorName == "" {
			continue
		}
		floor := quantile(p.floor, q)
		b.ReportMetric(float64(floor), name+"-floor-ns")
		b.ReportMetric(float64(subject)/float64(floor), name+"-ratio")
	}
	p.keep(b)
}

// keep records the pair for the document.
func (p *pair) keep(b *testing.B) {
	b.Helper()
	keep(b, record.Entry{Latency: &record.Latency{
		Group: p.group, Subject: p.subjectName, Floor: p.floorName, Limits: p.limits, Samples: len(p.subject),
		SubjectTimes: record.Curve(p.subject), FloorTimes: record.Curve(p.floor),
	}})
}

func quantile(samples []time.Duration, q float64) time.Duration {
	return record.Pick(slices.Sorted(slices.Values(samples)), q)
}
