package kmsplugin

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// keeper probes one key in the background and keeps the snapshot that requests
// are answered from. Only run changes its state.
type keeper struct {
	config Config
	prober prober
	boot   func() time.Duration
	log    *slog.Logger

	current atomic.Pointer[snapshot]
	kicks   chan struct{}
	// dropped is told which versions, by key_id, must be held no longer.
	dropped func(gone func(keyID string) bool)
	// expired is told which versions, by key_id, are under lease no longer.
	expired func(ended func(keyID string) bool)
	// keep survives this process; nil keeps nothing.
	keep *rawKEKs
	// opens says of which versions, by key_id, something is held that this key has
	// opened on request, and when the first of it was asked for, on the boot clock.
	opens func() map[string]time.Duration
	// propertyChanged counts changes of the key's properties.
	propertyChanged func(property string)

	// wished is the on-refusal that is asked for; wishes tells run of it.
	wished atomic.Pointer[string]
	wishes chan struct{}

	// Owned by run.
	onRefusal string
	withheld  map[string]withholding // by key_id; replaced, never changed
	erased    bool                   // something was dropped because it was refused
	// lost is why the version that wrote was dropped, until a probe has an answer.
	lost withholding
	// unconfirmed says of versions held, by key_id, why the last good probe has not
	// confirmed them; replaced, never changed.
	unconfirmed map[string]string

	versions  map[string]*version // by key_id
	confirmed map[string]time.Duration
	standing  standing
	clock     serverTime
	key       backend.Key
	choice    choice
	prepare   error
	warm      bool          // a probe has succeeded
	more      bool          // versions are still to be made ready
	seen      time.Duration // when the last good probe had ended
	resumed   time.Time     // see promotion
	hazards   []hazard
	oldest    int               // the lowest minimum that was ever seen
	lineage   map[int]time.Time // creation times as first seen
}

// newKeeper returns a keeper that has asked nothing yet. boot is the time since
// boot, suspended time included: a machine that slept must not find its lease
// where it left it.
func newKeeper(config Config, b backend.Backend, readOnly bool, boot func() time.Duration, log *slog.Logger) *keeper {
	k := &keeper{
		config:          config,
		prober:          prober{backend: b, cluster: config.Cluster, envelope: config.Envelope, readOnly: readOnly, boot: boot},
		boot:            boot,
		log:             log,
		kicks:           make(chan struct{}, 1),
		dropped:         func(func(string) bool) {},
		expired:         func(func(string) bool) {},
		opens:           func() map[string]time.Duration { return nil },
		propertyChanged: func(string) {},
		wishes:          make(chan struct{}, 1),
		onRefusal:       config.OnRefusal,
		withheld:        map[string]withholding{},
		standing:        standing{failing: config.ProbeIntervalFault},
		versions:        map[string]*version{},
		confirmed:       map[string]time.Duration{},
		lineage:         map[int]time.Time{},
	}
	k.current.Store(k.compose())
	return k
}

// snapshot returns what to answer from.
func (k *keeper) snapshot() *snapshot { return k.current.Load() }

// kick asks for a probe soon: a request has met something that the last probe
// did not.
func (k *keeper) kick() {
	select {
	case k.kicks <- struct{}{}:
	default:
	}
}

const (
	// probeTimeout bounds a probe. Two requests confirm what is held, what is
	// left of the time goes into further versions.
	probeTimeout = 10 * time.Second
	// kickGap keeps failing requests from turning into a storm of probes.
	kickGap = time.Second
	// settle is how long after its start a plugin makes further versions ready:
	// the API server that waited for it asks first.
	settle = 200 * time.Millisecond
)

// run probes until the context ends, and then drops every key. It returns only
// when no probe is under way any more.
func (k *keeper) run(ctx context.Context) {
	results := make(chan findings, 1)
	probing, kicked := false, false
	probe := time.NewTimer(0)
	promote := time.NewTimer(time.Hour)
	defer probe.Stop()
	defer promote.Stop()
	last := k.boot() - kickGap
	for {
		select {
		case <-ctx.Done():
			if probing {
				(<-results).clear()
			}
			k.forget()
			return
		case <-k.kicks:
			if probing {
				kicked = true // the probe may have asked before what the request has met
				continue
			}
			probe.Reset(max(kickGap-(k.boot()-last), 0))
			continue
		case <-probe.C:
			if probing {
				continue
			}
			probing = true
			last = k.boot()
			held := k.versions // replaced, never changed, while a probe reads it
			confirms := k.standing.suspects(last)
			first := k.chooseFirst
			if k.warm || k.prober.readOnly {
				first = nil
			}
			go func() {
				ctx, cancel := context.WithTimeout(ctx, probeTimeout)
				defer cancel()
				if confirms {
					ctx = backend.WithNewConnection(ctx)
				}
				results <- k.prober.probe(ctx, held, first)
			}()
			continue
		case f := <-results:
			k.apply(f)
			next := k.interval()
			if kicked {
				next = min(next, kickGap)
			}
			probing, kicked = false, false
			probe.Reset(next)
		case <-k.wishes:
			k.heed()
		case <-promote.C:
			k.publish()
		}
		if c := k.choice; c.next != 0 {
			// A millisecond later, so that the instant has passed by then.
			promote.Reset(max(k.clock.bootAt(c.at)-k.boot(), 0) + time.Millisecond)
			if !k.fresh() {
				promote.Stop() // the next good probe decides
			}
		}
	}
}

// interval spreads probes over a tenth of their interval, so that the replicas
// of a fleet do not ask in step.
func (k *keeper) interval() time.Duration {
	if k.more {
		return settle
	}
	d := k.config.ProbeInterval
	if k.standing.troubled() || k.writes() == nil && !k.prober.readOnly {
		d = k.config.ProbeIntervalFault
	}
	if k.standing.suspects(k.boot()) {
		d = max(d, refusalGap)
	}
	return d + time.Duration(rand.Int64N(int64(d/10)+1)) //nolint:gosec // spreading load, not secrets
}

// chooseFirst returns the version that will write, as far as can be told from
// one look at the key.
func (k *keeper) chooseFirst(key backend.Key) int {
	now, ok := serverTime{}.observe(key.Clock).now(k.boot())
	if !ok {
		now = time.Now() // as in storeTime
	}
	every := func(int) bool { return true }
	return promotion{key: key, ready: every, now: now, delay: k.config.PromotionDelay, fresh: true}.choose().version
}

// apply takes in what a probe found.
func (k *keeper) apply(f findings) {
	before := k.standing
	k.standing = k.standing.after(f.outcome)
	k.logStanding(before, f.err)
	k.more = false
	if f.err == nil {
		k.lost = withholding{}
		k.watch(f.key)
		k.clock = k.clock.observe(f.clock)
		k.noteGap(f.at)
		k.warm, k.more = true, f.partial
		k.key = f.key
		k.logPrepare(f.prepareErr)
		versions := make(map[string]*version, len(k.versions)+len(f.added))
		for id, v := range k.versions {
			versions[id] = v
		}
		for _, v := range f.added {
			versions[v.binding.KeyID] = v
			k.log.Info("key version ready", "version", v.number, "key_id", v.binding.KeyID,
				"created", f.key.Created[v.number].UTC(), "decrypts_only", v.canary.blank())
		}
		k.versions = versions
		k.keep.add(f.raw)
		for _, id := range f.accepted {
			// From the start of the probe, not its end: what was true when we
			// asked may have ended while the answer was under way.
			k.confirmed[id] = f.at
		}
		k.logUnconfirmed(f)
	}
	k.judge(f.outcome)
	k.enforce()
	k.expire()
	k.publish()
}

// expire lets go of the versions whose lease has ended: what may not be used is
// not kept either. Those that Vault still has are made ready anew by the probe
// that finds it again.
func (k *keeper) expire() {
	ended := func(id string) bool { return k.boot() >= k.confirmed[id]+k.config.LocalKEK.Lease }
	k.release(ended, "its lease has ended")
	k.expired(ended)
	k.unmark()
}

// release lets go of the versions of this key that are gone, and returns their
// key_ids.
func (k *keeper) release(gone func(keyID string) bool, why string) []string {
	var released []string
	versions := make(map[string]*version, len(k.versions))
	for id, v := range k.versions {
		if !gone(id) {
			versions[id] = v
			continue
		}
		k.log.Error("a local key is dropped", "reason", why, "version", v.number, "key_id", id)
		released = append(released, id)
	}
	k.versions = versions
	unconfirmed := maps.Clone(k.unconfirmed)
	maps.DeleteFunc(unconfirmed, func(id string, _ string) bool { return slices.Contains(released, id) })
	k.unconfirmed = unconfirmed
	k.keep.drop(released)
	return released
}

func (k *keeper) forget() {
	k.keep.drop(slices.Collect(maps.Keys(k.versions)))
	k.versions, k.confirmed = map[string]*version{}, map[string]time.Duration{}
	k.withheld, k.unconfirmed = map[string]withholding{}, nil
	k.choice = choice{}
	k.current.Store(k.compose())
	k.dropped(func(string) bool { return true })
}

// fresh reports whether the key was seen recently enough to promote.
func (k *keeper) fresh() bool {
	return k.standing.everGood && k.boot()-k.standing.lastGood < k.config.PromotionDelay/2
}

// noteGap is told when each good probe began, and notes whether it ended a gap. A
// replica that starts has none behind it: all it knows is what was announced. One
// that took over what was kept may have.
func (k *keeper) noteGap(at time.Duration) {
	if k.warm && at-k.seen >= k.config.PromotionDelay/2 {
		k.resumed = k.storeTime(at)
	}
	// From its end on, so that a slow Vault is no gap after each probe; but not
	// from later than a probe can last, or a suspended machine would have seen none.
	k.seen = min(k.boot(), at+probeTimeout)
}

// storeTime is the key store's clock when ours shows boot.
func (k *keeper) storeTime(boot time.Duration) time.Time {
	if at, ok := k.clock.now(boot); ok {
		return at
	}
	return time.Now().Add(boot - k.boot()) // it names no time: all that is left is our own
}

// publish decides which version writes and swaps the snapshot.
func (k *keeper) publish() {
	before := k.choice
	k.choose()
	k.current.Store(k.compose())
	k.keep.changed()
	k.logChoice(before, k.choice)
}

// choose decides which version writes, and what follows it. Where none can, the
// one that did is still the one to give account of, and none follows it.
func (k *keeper) choose() {
	if k.prober.readOnly {
		k.choice = choice{} // also where this key wrote before the restart
		return
	}
	c := promotion{
		key: k.key,
		ready: func(n int) bool {
			v := k.versions[versionID(k.key, n)]
			return v != nil && !v.canary.blank() && k.usable(v.binding.KeyID)
		},
		current: k.choice,
		now:     k.storeTime(k.boot()),
		delay:   k.config.PromotionDelay,
		fresh:   k.fresh(),
		resumed: k.resumed,
	}.choose()
	if c.version == 0 {
		c.version, c.keyID = k.choice.version, k.choice.keyID
	}
	k.choice = c
}
