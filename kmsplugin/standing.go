package kmsplugin

import (
	"errors"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// refusalGap is how far the first and the last refusal of a run must be apart to
// count: one wrong answer, given during a policy change or by one node of a
// cluster, must not stop the API server.
const refusalGap = 5 * time.Second

// refusalPatience is how long a suspicion lasts without another refusal; longer
// where probes come so rarely that a second one could not be seen in time.
const refusalPatience = time.Minute

// standing is what the probes so far say about the key. It is a value: after
// returns a new one.
type standing struct {
	// class is 0 after a good probe; else what the last one met.
	class  backend.Class
	reason string
	since  time.Duration // of the first probe that met anything but good
	// lastGood is the start of the last good probe; valid if everGood.
	lastGood time.Duration
	everGood bool
	// key is about the whole key, versions about single ones, by key_id.
	key      refusal
	versions map[string]refusal
	// failing is how often probes come while something is wrong.
	failing time.Duration
}

// refusal is an unbroken run of probes that the key store refused.
type refusal struct {
	first, last time.Duration // when these probes began, on the boot clock
	reason      string        // what was said last
	suspected   bool          // there is such a run
	confirmed   bool          // it was long enough to be believed
}

// again adds a refusing probe to the run, or begins one.
func (r refusal) again(at, patience time.Duration, reason string) refusal {
	if !r.suspected || !r.confirmed && at >= r.last+patience {
		r = refusal{first: at, suspected: true}
	}
	r.last, r.reason = at, reason
	r.confirmed = r.confirmed || at-r.first >= refusalGap
	return r
}

// broken is what is left of the run once a probe has met anything but a refusal
// and a good answer: the suspicion is over, what was confirmed is not.
func (r refusal) broken() refusal {
	if r.confirmed {
		return r
	}
	return refusal{}
}

// patience is how long a suspicion lasts without another refusal.
func (s standing) patience() time.Duration { return max(refusalPatience, 3*s.failing) }

// suspicionEnds is when the suspicion that r is ends by itself.
func (s standing) suspicionEnds(r refusal) time.Duration { return r.last + s.patience() }

// suspects reports whether a refusal is still to be confirmed.
func (s standing) suspects(now time.Duration) bool {
	is := func(r refusal) bool { return r.suspected && !r.confirmed && now < s.suspicionEnds(r) }
	for _, r := range s.versions {
		if is(r) {
			return true
		}
	}
	return is(s.key)
}

// outcome is what one probe learned.
type outcome struct {
	at  time.Duration // when it began, on the boot clock
	err error         // nil if the key answered; the classes are backend's
	// accepted and refused list the key_ids of which the probe learned that
	// they do or do not decrypt.
	accepted []string
	refused  []string
}

// after returns the standing once a probe has ended. Anything but a refusal ends
// a suspicion; only a good answer ends a refusal that was confirmed. A rehearsal
// cut the probe off on purpose: that says nothing about either.
func (s standing) after(o outcome) standing {
	next := s
	if o.err == nil {
		next.class, next.reason, next.since = 0, "", 0
		next.lastGood, next.everGood = o.at, true
		next.key = refusal{}
	} else {
		next.class, next.reason = backend.ClassOf(o.err), backend.Public(o.err)
		if s.class == 0 {
			next.since = o.at
		}
		switch {
		case errors.Is(o.err, errRehearsal):
			return next
		case next.class == backend.Refusal:
			next.key = s.key.again(o.at, s.patience(), next.reason)
		default:
			next.key = s.key.broken()
		}
	}
	next.versions = map[string]refusal{}
	for id, r := range s.versions {
		if r = r.broken(); r.confirmed && !slices.Contains(o.accepted, id) {
			next.versions[id] = r
		}
	}
	for _, id := range o.refused {
		next.versions[id] = s.versions[id].again(o.at, s.patience(), "")
	}
	return next
}

// troubled reports whether probes should come in quick succession.
func (s standing) troubled() bool {
	if s.class != 0 || !s.everGood {
		return true
	}
	for _, r := range s.versions {
		if !r.confirmed {
			return true
		}
	}
	return false
}

// What state says where no class of failure applies.
const (
	stateOK     = "ok"
	stateNotYet = "not yet"
)

// state names what the last probe found.
func (s standing) state() string {
	switch {
	case s.class != 0:
		return s.class.String()
	case s.everGood:
		return stateOK
	default:
		return stateNotYet
	}
}
