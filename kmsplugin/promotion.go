package kmsplugin

import (
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// choice is the version that writes, and what will follow it.
type choice struct {
	version int // 0 if none can
	keyID   string
	// next is the version that will be promoted at the instant at, on the key
	// store's clock; 0 if none waits. announced is its own instant; at is later
	// where a gap has put it off.
	next          int
	at, announced time.Time
}

// promotion is everything that decides which version writes.
type promotion struct {
	key     backend.Key
	ready   func(version int) bool // whether this replica can seal with it
	current choice                 // what writes now; zero at the start
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
// highest whose instant has passed. If none has (a new key, or a minimum that was
// raised above all that had), the oldest that the key store allows is used at once.
// The choice never goes back to an older version unless the key store no longer has
// the newer one.
func (p promotion) choose() choice {
	oldest := p.key.OldestSealable()
	var versions []int
	for _, v := range slices.Sorted(maps.Keys(p.key.Created)) {
		if v >= oldest && v <= p.key.Latest && p.ready(v) {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return choice{}
	}
	best := versions[0]
	for _, v := range versions {
		if !p.instant(v).After(p.now) {
			best = v
		}
	}
	if current := p.current.version; slices.Contains(versions, current) && p.keyID(current) == p.current.keyID {
		if current > best || !p.fresh {
			best = current
		}
	}
	c := choice{version: best, keyID: p.keyID(best)}
	// The next to be promoted is the one whose instant comes first, not the
	// newest: two rotations within the delay are two promotions.
	for _, v := range versions {
		if at := p.instant(v); v > best && (c.next == 0 || at.Before(c.at) || at.Equal(c.at)) {
			c.next, c.at, c.announced = v, at, p.announced(v)
		}
	}
	return c
}

// instant is when this replica first writes with a version. An announced instant
// that lies in a gap, or soon after one, is put off until a delay after the gap:
// other replicas may have lost the key store at the same time, and see it again
// later. If it went away once more before that, they could not open what was
// written under a version that they have never seen.
func (p promotion) instant(version int) time.Time {
	at := p.announced(version)
	if p.resumed.IsZero() || p.current.version == 0 || version <= p.current.version {
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

// versionID is the key_id of one of the versions that the key store lists.
func versionID(key backend.Key, version int) string {
	return envelope.KeyID(key.Mount, key.Name, version, key.Created[version])
}
