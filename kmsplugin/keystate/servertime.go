package keystate

import (
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// maxDrift is by how much two clocks may drift apart, as a fraction: 200 parts
// per million is twice what a computer's crystal does at its worst.
const maxDrift = 200.0 / 1e6

// serverTime estimates the key store's clock from readings that each bound it:
// the answer came between sending and receiving, and named a whole second. The
// bounds of several readings together are far tighter than a second, which is
// what lets replicas with wrong clocks switch together. The zero value knows
// nothing. It is a value: observe returns a new one.
type serverTime struct {
	known bool
	// The server's clock minus ours lies between these.
	low, high time.Duration
	at        time.Duration // our clock at the last reading
}

// observe narrows the estimate by one more reading. Readings that contradict
// each other mean that one of the clocks was set: only the new one counts then.
func (s serverTime) observe(r backend.ClockReading) serverTime {
	if r.Server.IsZero() || r.Received < r.Sent {
		return s
	}
	server := time.Duration(r.Server.UnixNano())
	next := serverTime{
		known: true,
		low:   server - r.Received,
		high:  server + time.Second - r.Sent,
		at:    r.Received,
	}
	if !s.known {
		return next
	}
	drift := time.Duration(float64(max(r.Received-s.at, 0)) * maxDrift)
	low, high := max(next.low, s.low-drift), min(next.high, s.high+drift)
	if low > high {
		return next
	}
	next.low, next.high = low, high
	return next
}

// now returns the server's time when our clock shows boot, or false if no
// reading has come yet.
func (s serverTime) now(boot time.Duration) (time.Time, bool) {
	if !s.known {
		return time.Time{}, false
	}
	return time.Unix(0, int64(boot+s.offset())), true
}

// bootAt returns what our clock will show at a moment of the server's.
func (s serverTime) bootAt(server time.Time) time.Duration {
	return time.Duration(server.UnixNano()) - s.offset()
}

func (s serverTime) offset() time.Duration { return s.low + (s.high-s.low)/2 }
