package kmsplugin

import (
	"maps"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// refusalGap is how far apart two refusals must be to count: one wrong answer,
// given during a policy change or by one node of a cluster, must not destroy
// keys that nobody can fetch back.
const refusalGap = 5 * time.Second

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
	// key counts refusals of the whole key, versions those of single ones.
	key      refusal
	versions map[string]refusal
}

// refusal counts how often the key store has said no, at most to two.
type refusal struct {
	first     time.Duration
	suspected bool // said once: nothing new is sealed
	confirmed bool // said twice: what is held is dropped
}

func (r refusal) again(at time.Duration) refusal {
	switch {
	case !r.suspected:
		return refusal{first: at, suspected: true}
	case at-r.first >= refusalGap:
		r.confirmed = true
	}
	return r
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

// after returns the standing once a probe has ended. An outage and missing
// credentials neither confirm nor clear a refusal: they say nothing about it.
func (s standing) after(o outcome) standing {
	next := s
	next.versions = maps.Clone(s.versions)
	if o.err == nil {
		next.class, next.reason, next.since = 0, "", 0
		next.lastGood, next.everGood = o.at, true
		next.key = refusal{}
	} else {
		next.class, next.reason = backend.ClassOf(o.err), backend.Public(o.err)
		if s.class == 0 {
			next.since = o.at
		}
		if next.class == backend.Refusal {
			next.key = s.key.again(o.at)
		}
	}
	for _, v := range o.accepted {
		delete(next.versions, v)
	}
	for _, v := range o.refused {
		if next.versions == nil {
			next.versions = map[string]refusal{}
		}
		next.versions[v] = s.versions[v].again(o.at)
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
