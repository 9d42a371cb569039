package keystate

import (
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// The server reads its clock at some moment between request and answer; which one
// is not known. Wherever it lies, the truth must be within the bounds.
func TestTheTruthIsWithinTheBoundsWhereverTheTimeGoesByAndHoweverClocksDrift(t *testing.T) {
	start := time.Unix(1_800_000_000, 400_000_000)
	for name, there := range map[string]time.Duration{"the answer takes long": 10 * time.Millisecond, "the request takes long": 3 * time.Second, "both do": 1500 * time.Millisecond} {
		for drift, ppm := range map[string]int64{"no drift": 0, "the server's clock is fast": 100, "it is slow": -100} {
			t.Run(name+", "+drift, func(t *testing.T) {
				const rtt = 3010 * time.Millisecond
				server := func(boot time.Duration) time.Time { return start.Add(boot + boot*time.Duration(ppm)/1e6) }
				var s serverTime
				resets := 0
				for boot := time.Hour; boot < 50*time.Hour; boot += 31*time.Second + 70*time.Millisecond {
					read := server(boot + there)
					before := s
					s = s.observe(backend.ClockReading{Server: read.Truncate(time.Second), Sent: boot, Received: boot + rtt})
					now := boot + rtt
					truth := time.Duration(server(now).UnixNano()) - now
					if truth < s.low-time.Millisecond || truth > s.high+time.Millisecond { // drift within this reading
						t.Fatalf("at %v the bounds are off by %v and %v", boot, s.low-truth, truth-s.high)
					}
					if before.known && s.high-s.low > before.high-before.low+20*time.Millisecond { // more than the room for drift
						resets++
					}
				}
				if resets > 0 {
					t.Errorf("%d times a reading was taken for that of a clock that was set", resets)
				}
			})
		}
	}
}
