package keystate

import (
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Choice is the version that writes, and what will follow it.
type Choice struct {
	Version int // 0 if none can
	KeyID   string
	// Next is the version that will be promoted at the instant At, on the key
	// store's clock; 0 if none waits. Announced is its own instant; At is later
	// where a gap has put it off.
	Next          int
	At, Announced time.Time
}

// promotion is everything that decides which version writes.
type promotion struct {
	key     backend.Key
	ready   func(version int) bool // whether this replica can write with it
	current Choice                 // what writes now; zero at the start
	now     time.Time              // the key store's clock
	delay   time.Duration
	// fresh is whether the key was seen recently enough to act on the passing
	// of time. During an outage a replica cannot know that the version still
	// stands, nor that the others see it too.
	fresh bool
	// resumed is when this replica first saw the key again after a gap, on the
	// key store's clock; zero if it has had none since it started.
	resumed time.Time
}

// choose returns the version that every replica with the same view chooses: the
// highest whose instant has passed. If none has (the key is new, or the minimum was
// raised above all those whose instant has passed), it is the oldest that the key store
// allows. The choice never goes back to an older version unless the key store no longer
// has the newer one.
func (p promotion) choose() Choice {
	oldest := p.key.OldestSealable()
	var versions []int
	for _, v := range slices.Sorted(maps.Keys(p.key.Created)) {
		if v >= oldest && v <= p.key.Latest && p.ready(v) {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return Choice{}
	}
	best := versions[0]
	for _, v := range versions {
		if !p.instant(v).After(p.now) {
			best = v
		}
	}
	if current := p.current.Version; slices.Contains(versions, current) && p.keyID(current) == p.current.KeyID {
		if current > best || !p.fresh {
			best = current
		}
	}
	c := Choice{Version: best, KeyID: p.keyID(best)}
	// The next to be promoted is the one whose instant comes first, not the
	// newest: two rotations within the delay are two promotions.
	for _, v := range versions {
		if at := p.instant(v); v > best && (c.Next == 0 || !at.After(c.At)) {
			c.Next, c.At, c.Announced = v, at, p.announced(v)
		}
	}
	return c
}

// instant is when this replica first writes with a version. An announced instant
// that lies in a gap, or soon after one, is put off until a delay after the gap:
// other replicas may have lost the key store at the same time, and may see it again
// later. If the key store is lost once more before that, they cannot decrypt what was
// written under a version that they have never seen.
func (p promotion) instant(version int) time.Time {
	at := p.announced(version)
	if p.resumed.IsZero() || p.current.Version == 0 || version <= p.current.Version {
		return at
	}
	if later := p.resumed.Add(p.delay); later.After(at) {
		return later
	}
	return at
}

// announced is the instant that is known from the moment of the rotation on.
func (p promotion) announced(version int) time.Time {
	return p.key.Created[version].Add(p.delay)
}

func (p promotion) keyID(version int) string { return versionID(p.key, version) }

// choose decides which version writes, and what follows it. Where none can, the
// one that did stays the one whose lease and refusal are reported, and none follows.
func (m *Monitor) choose() {
	if m.settings.ReadOnly {
		m.choice = Choice{} // also where this key wrote before the restart
		return
	}
	c := promotion{
		key: m.key,
		ready: func(n int) bool {
			v := m.versions[versionID(m.key, n)]
			return v != nil && !v.canary.isDecoy() && m.usable(v.Binding.KeyID)
		},
		current: m.choice,
		now:     m.storeTime(m.boot()),
		delay:   m.settings.PromotionDelay,
		fresh:   m.fresh(),
		resumed: m.resumed,
	}.choose()
	if c.Version == 0 {
		c.Version, c.KeyID = m.choice.Version, m.choice.KeyID
	}
	m.choice = c
}

// chooseFirst returns the version that will write, as far as can be told from
// one look at the key.
func (m *Monitor) chooseFirst(key backend.Key) int {
	now, ok := serverTime{}.observe(key.Clock).now(m.boot())
	if !ok {
		now = time.Now() // as in storeTime
	}
	every := func(int) bool { return true }
	return promotion{key: key, ready: every, now: now, delay: m.settings.PromotionDelay, fresh: true}.choose().Version
}

// fresh reports whether the key was seen recently enough to promote.
func (m *Monitor) fresh() bool {
	return m.health.EverGood && m.boot()-m.health.LastGood < m.settings.PromotionDelay/2
}

// noteGap is told when each good probe began, and notes whether it ended a gap. A
// replica that starts has no gap behind it: it knows only what was announced. A
// replica that took over a saved state may have one.
func (m *Monitor) noteGap(at time.Duration) {
	if m.warm && at-m.seen >= m.settings.PromotionDelay/2 {
		m.resumed = m.storeTime(at)
	}
	// The next gap begins at the end of this probe, so that a slow Vault does not
	// make a gap of each probe; but no later than a probe can last, or a machine
	// that was suspended would not notice its gap.
	m.seen = min(m.boot(), at+probeTimeout)
}

// storeTime is the key store's clock when ours shows boot. A key store that names no
// time leaves only our own clock.
func (m *Monitor) storeTime(boot time.Duration) time.Time {
	if at, ok := m.clock.now(boot); ok {
		return at
	}
	return time.Now().Add(boot - m.boot())
}
