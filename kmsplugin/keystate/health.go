package keystate

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

// minSuspicion is how long a suspicion lasts without another refusal. It lasts
// longer where probes are so rare that a second refusal could not be seen in time.
const minSuspicion = time.Minute

// Health is what the probes so far say about the key. It is a value: after
// returns a new one.
type Health struct {
	// Class is 0 after a good probe, else the failure that the last probe met;
	// Reason says more about it.
	Class  backend.Class
	Reason string
	Since  time.Duration // boot clock: when the first of the failing probes began
	// LastGood is when the last good probe began, on the boot clock; valid if
	// EverGood.
	LastGood time.Duration
	EverGood bool
	// key is about the whole key, versions about single ones, by key_id.
	key      refusal
	versions map[string]refusal
	// failing is the interval of probes while something is wrong.
	failing time.Duration
}

// refusal is an unbroken run of probes that the key store refused.
type refusal struct {
	first, last time.Duration // when these probes began, on the boot clock
	reason      string        // of the last one
	suspected   bool          // there is such a run
	confirmed   bool          // it lasted long enough to be believed
}

// again adds a refusing probe to the run, or begins a run.
func (r refusal) again(at, suspicion time.Duration, reason string) refusal {
	if !r.suspected || !r.confirmed && at >= r.last+suspicion {
		r = refusal{first: at, suspected: true}
	}
	r.last, r.reason = at, reason
	r.confirmed = r.confirmed || at-r.first >= refusalGap
	return r
}

// broken is what is left of the run after a probe that met another failure than a
// refusal: a suspicion ends, a confirmed refusal does not.
func (r refusal) broken() refusal {
	if r.confirmed {
		return r
	}
	return refusal{}
}

// suspicion is how long a suspicion lasts without another refusal.
func (h Health) suspicion() time.Duration { return max(minSuspicion, 3*h.failing) }

// suspicionEnds is when the suspicion r ends without another probe.
func (h Health) suspicionEnds(r refusal) time.Duration { return r.last + h.suspicion() }

// suspects reports whether a refusal is still to be confirmed.
func (h Health) suspects(now time.Duration) bool {
	is := func(r refusal) bool { return r.suspected && !r.confirmed && now < h.suspicionEnds(r) }
	for _, r := range h.versions {
		if is(r) {
			return true
		}
	}
	return is(h.key)
}

// outcome is what one probe learned.
type outcome struct {
	at  time.Duration // when it began, on the boot clock
	err error         // nil if the key answered; the classes are backend's
	// accepted and refused list the key_ids of versions that were seen to decrypt,
	// and of versions that were refused.
	accepted []string
	refused  []string
}

// after returns the health once a probe has ended. Every result but a refusal ends
// a suspicion; only a good probe ends a confirmed refusal. A rehearsal cut the probe
// off on purpose, which says nothing about either.
func (h Health) after(o outcome) Health {
	next := h
	if o.err == nil {
		next.Class, next.Reason, next.Since = 0, "", 0
		next.LastGood, next.EverGood = o.at, true
		next.key = refusal{}
	} else {
		next.Class, next.Reason = backend.ClassOf(o.err), backend.Public(o.err)
		if h.Class == 0 {
			next.Since = o.at
		}
		switch {
		case errors.Is(o.err, ErrRehearsal):
			return next
		case next.Class == backend.Refusal:
			next.key = h.key.again(o.at, h.suspicion(), next.Reason)
		default:
			next.key = h.key.broken()
		}
	}
	next.versions = map[string]refusal{}
	for id, r := range h.versions {
		if r = r.broken(); r.confirmed && !slices.Contains(o.accepted, id) {
			next.versions[id] = r
		}
	}
	for _, id := range o.refused {
		next.versions[id] = h.versions[id].again(o.at, h.suspicion(), "")
	}
	return next
}

// troubled reports whether probes should follow each other quickly.
func (h Health) troubled() bool {
	if h.Class != 0 || !h.EverGood {
		return true
	}
	for _, r := range h.versions {
		if !r.confirmed {
			return true
		}
	}
	return false
}

// StateOK is the State after a good probe, as in metrics and in the info API.
const StateOK = "ok"

// State names what the last probe found: StateOK, a class of failure, or "not yet".
func (h Health) State() string {
	switch {
	case h.Class != 0:
		return h.Class.String()
	case h.EverGood:
		return StateOK
	default:
		return "not yet"
	}
}
