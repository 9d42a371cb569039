package keystate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// reading is a look at a server whose clock shows true+boot, at boot.
func reading(start time.Time, boot, rtt time.Duration) backend.ClockReading {
	return backend.ClockReading{Server: start.Add(boot).Truncate(time.Second), Sent: boot - rtt/2, Received: boot + rtt/2}
}

func TestManyReadingsTellTheServersTimeFarBelowASecond(t *testing.T) {
	start := time.Unix(1_800_000_000, 123_456_789)
	random := rand.New(rand.NewPCG(1, 2))
	var s serverTime
	boot := time.Hour
	for range 20 {
		boot += 30*time.Second + time.Duration(random.Int64N(int64(3*time.Second)))
		s = s.observe(reading(start, boot, 2*time.Millisecond))
		now, ok := s.now(boot)
		if off := now.Sub(start.Add(boot)).Abs(); !ok || off > 510*time.Millisecond {
			t.Fatalf("off by %v", off)
		}
	}
	now, _ := s.now(boot)
	if off := now.Sub(start.Add(boot)).Abs(); off > 200*time.Millisecond {
		t.Errorf("after 20 readings still off by %v", off)
	}
	if got := s.bootAt(now); (got - boot).Abs() > time.Microsecond {
		t.Errorf("bootAt is not the inverse of now: %v, want %v", got, boot)
	}
}

func TestASlowAnswerNeverWorsensTheEstimate(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	s := serverTime{}.observe(reading(start, time.Hour, time.Millisecond))
	slow := s.observe(reading(start, time.Hour+time.Second, 10*time.Second))
	if slow.high-slow.low > s.high-s.low+10*time.Millisecond { // room for drift
		t.Errorf("bounds grew from %v to %v", s.high-s.low, slow.high-slow.low)
	}
}

func TestAClockThatWasSetIsFollowed(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	s := serverTime{}.observe(reading(start, time.Hour, time.Millisecond))
	s = s.observe(reading(start.Add(10*time.Minute), time.Hour+time.Second, time.Millisecond))
	now, _ := s.now(time.Hour + time.Second)
	if off := now.Sub(start.Add(10*time.Minute + time.Hour + time.Second)).Abs(); off > time.Second {
		t.Errorf("off by %v", off)
	}
}

func TestReadingsThatSayNothingAreIgnored(t *testing.T) {
	var s serverTime
	for _, r := range []backend.ClockReading{{}, {Server: time.Unix(1, 0), Sent: 2, Received: 1}} {
		if s = s.observe(r); s.known {
			t.Errorf("%+v taken as a reading", r)
		}
	}
	if _, ok := s.now(0); ok {
		t.Error("a time from nothing")
	}
}
