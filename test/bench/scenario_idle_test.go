package bench

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/bench/record"
)

// BenchmarkScenarioIdle counts, in Vault's audit log, what a plugin with its
// defaults asks of Vault while it has no callers, for as long as IDLE says.
func BenchmarkScenarioIdle(b *testing.B) {
	idle := duration(b, "IDLE", 2*time.Minute)
	s := newStack(b)
	audit := s.auditLog(b)
	p := s.plugin(b, "idle", nil)
	if err := p.WaitHeld(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		start := time.Now()
		select {
		case <-time.After(idle): // what is measured is time itself
		case <-b.Context().Done():
			b.Fatal(b.Context().Err())
		}
		asked := audit.between(b, start, time.Now())
		b.Logf("in %v: %v", idle, asked)
		b.ReportMetric(0, "ns/op")
		figure(b, "requests/30s", record.Figure{What: "idle: requests to Vault in 30 s for one key, over " + idle.String(),
			Value: float64(asked.total()) / idle.Seconds() * 30, Most: bound(2)})
	}
}
