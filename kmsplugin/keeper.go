package kmsplugin

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/seal"
)

// Keeper probes the key store in the background and keeps the snapshot that
// requests are answered from. Only Run changes its state.
type Keeper struct {
	config Config
	prober prober
	boot   func() time.Duration
	log    *slog.Logger

	current atomic.Pointer[snapshot]
	kicks   chan struct{}
	dropped func(gone func(keyID string) bool)

	// Owned by Run.
	versions  map[string]*version // by key_id
	confirmed map[string]time.Duration
	standing  standing
	clock     serverTime
	key       backend.Key
	choice    choice
	prepare   error
}

// NewKeeper returns a Keeper that has asked nothing yet. boot is the time since
// boot, suspended time included: a machine that slept must not find its lease
// where it left it.
func NewKeeper(config Config, b backend.Backend, boot func() time.Duration, log *slog.Logger) *Keeper {
	k := &Keeper{
		config:    config,
		prober:    prober{backend: b, cluster: config.Cluster, envelope: config.Envelope, boot: boot},
		boot:      boot,
		log:       log,
		kicks:     make(chan struct{}, 1),
		dropped:   func(func(string) bool) {},
		versions:  map[string]*version{},
		confirmed: map[string]time.Duration{},
	}
	k.current.Store(k.compose())
	return k
}

// snapshot returns what to answer from.
func (k *Keeper) snapshot() *snapshot { return k.current.Load() }

// kick asks for a probe soon: a request has met something that the last probe
// did not.
func (k *Keeper) kick() {
	select {
	case k.kicks <- struct{}{}:
	default:
	}
}

const (
	// probeTimeout bounds a probe, which is up to four requests.
	probeTimeout = 10 * time.Second
	// kickGap keeps failing requests from turning into a storm of probes.
	kickGap = time.Second
)

// Run probes until the context ends, and then drops every key. It returns only
// when no probe is under way any more.
func (k *Keeper) Run(ctx context.Context) {
	results := make(chan findings, 1)
	probing := false
	probe := time.NewTimer(0)
	promote := time.NewTimer(time.Hour)
	defer probe.Stop()
	defer promote.Stop()
	last := k.boot() - kickGap
	for {
		select {
		case <-ctx.Done():
			if probing {
				<-results
			}
			k.forget()
			return
		case <-k.kicks:
			if !probing {
				probe.Reset(max(kickGap-(k.boot()-last), 0))
			}
			continue
		case <-probe.C:
			if probing {
				continue
			}
			probing = true
			last = k.boot()
			held := k.versions // replaced, never changed, while a probe reads it
			go func() {
				ctx, cancel := context.WithTimeout(ctx, probeTimeout)
				defer cancel()
				results <- k.prober.probe(ctx, held)
			}()
			continue
		case f := <-results:
			probing = false
			k.apply(f)
			probe.Reset(k.interval())
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
func (k *Keeper) interval() time.Duration {
	d := k.config.ProbeInterval
	if k.standing.troubled() || k.choice.version == 0 {
		d = k.config.ProbeIntervalFault
	}
	if k.standing.key.suspected && !k.standing.key.confirmed {
		d = max(d, refusalGap)
	}
	return d + time.Duration(rand.Int64N(int64(d/10)+1)) //nolint:gosec // spreading load, not secrets
}

// apply takes in what a probe found.
func (k *Keeper) apply(f findings) {
	before := k.standing
	k.standing = k.standing.after(f.outcome)
	k.logStanding(before, f.err)
	if f.err == nil {
		k.key = f.key
		k.clock = k.clock.observe(f.clock)
		k.logPrepare(f.prepareErr)
		versions := make(map[string]*version, len(k.versions)+len(f.added))
		for id, v := range k.versions {
			versions[id] = v
		}
		for _, v := range f.added {
			versions[v.binding.KeyID] = v
			k.log.Info("key version ready", "version", v.number, "key_id", v.binding.KeyID,
				"created", f.key.Created[v.number].UTC())
		}
		k.versions = versions
		for _, id := range f.accepted {
			// From the start of the probe, not its end: what was true when we
			// asked may have ended while the answer was under way.
			k.confirmed[id] = f.at
		}
	}
	if k.config.OnRefusal == RefusalDrop {
		k.drop()
	}
	k.publish()
}

// drop lets go of the versions that the key store has refused twice.
func (k *Keeper) drop() {
	gone := func(id string) bool { return k.standing.key.confirmed || k.standing.versions[id].confirmed }
	versions := map[string]*version{}
	for id, v := range k.versions {
		if !gone(id) {
			versions[id] = v
			continue
		}
		k.log.Error("Vault refuses this key version: its local key is dropped", "version", v.number, "key_id", id)
		delete(k.confirmed, id)
	}
	if len(versions) != len(k.versions) || k.standing.key.confirmed {
		k.versions = versions
		k.dropped(gone)
	}
}

func (k *Keeper) forget() {
	k.versions, k.confirmed = map[string]*version{}, map[string]time.Duration{}
	k.choice = choice{}
	k.current.Store(k.compose())
	k.dropped(func(string) bool { return true })
}

// fresh reports whether the key was seen recently enough to promote.
func (k *Keeper) fresh() bool {
	return k.standing.everGood && k.boot()-k.standing.lastGood < k.config.PromotionDelay/2
}

// publish decides which version writes and swaps the snapshot.
func (k *Keeper) publish() {
	now, ok := k.clock.now(k.boot())
	if !ok {
		now = time.Now() // the key store names no time: all that is left is our own
	}
	before := k.choice
	c := promotion{
		key: k.key,
		ready: func(n int) bool {
			return k.versions[seal.KeyID(k.key.Mount, k.key.Name, n, k.key.Created[n])] != nil
		},
		current: before,
		now:     now,
		delay:   k.config.PromotionDelay,
		fresh:   k.fresh(),
	}.choose()
	if c.version != 0 {
		k.choice = c
	}
	k.current.Store(k.compose())
	k.logChoice(before, c)
}

// compose is the snapshot of the present state.
func (k *Keeper) compose() *snapshot {
	s := &snapshot{
		keks:      make(map[kekName]*seal.LocalKEK, len(k.versions)),
		leaseEnds: make(map[string]time.Duration, len(k.confirmed)),
		keyIDs:    make(map[int]string, len(k.key.Created)),
		gone:      map[string]bool{},
		choice:    k.choice,
		standing:  k.standing,
		key:       k.key,
		clock:     k.clock,
	}
	for _, v := range k.versions {
		if v.kek != nil {
			s.keks[kekName{v.binding, v.kek.Fingerprint()}] = v.kek
		}
	}
	for id, at := range k.confirmed {
		s.leaseEnds[id] = at + k.config.LocalKEK.Lease
	}
	for n, created := range k.key.Created {
		s.keyIDs[n] = seal.KeyID(k.key.Mount, k.key.Name, n, created)
	}
	drops := k.config.OnRefusal == RefusalDrop
	if drops {
		for id, r := range k.standing.versions {
			s.gone[id] = r.confirmed
		}
	}
	if drops && k.standing.key.confirmed {
		s.refused = refusalError(k.standing.reason)
	}
	s.write = k.versions[k.choice.keyID]
	switch {
	case s.write == nil:
		s.notReady = k.whyNotReady()
	case drops && k.standing.key.suspected:
		s.suspended = refusalError(k.standing.reason + " (seen once so far: nothing new is sealed until this is clear)")
	case drops && k.standing.versions[k.choice.keyID].suspected:
		s.suspended = &backend.Error{Class: backend.VersionRefusal, Op: "encrypt",
			Reason: fmt.Sprintf("Vault refuses key version %d", k.choice.version)}
	}
	return s
}

func refusalError(reason string) error {
	return &backend.Error{Class: backend.Refusal, Op: "use the key", Reason: reason}
}

func (k *Keeper) whyNotReady() error {
	switch {
	case k.standing.class != 0:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: k.standing.class, Op: "waiting for Vault", Reason: k.standing.reason})
	case k.prepare != nil:
		return fmt.Errorf("%w: %w", errNotReady, k.prepare)
	case k.standing.everGood:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: backend.Unsuitable, Op: "read the key", Reason: "it has no version that may encrypt"})
	default:
		return fmt.Errorf("%w: %w", errNotReady, &backend.Error{Class: backend.Outage, Op: "waiting for Vault", Reason: "no answer yet"})
	}
}

func (k *Keeper) logStanding(before standing, err error) {
	now := k.standing
	switch {
	case now.class == before.class && now.reason == before.reason && now.key == before.key:
	case now.class == 0:
		k.log.Info("Vault answers again", "after", (k.boot() - before.since).Round(time.Second))
	default:
		level := slog.LevelWarn
		if now.class == backend.Refusal || now.class == backend.Unsuitable {
			level = slog.LevelError
		}
		k.log.Log(context.Background(), level, "Vault does not serve the key",
			"class", now.class.String(), "reason", now.reason, "cause", err.Error(),
			"lease_left", k.leaseLeft().Round(time.Second), "refused_for_certain", now.key.confirmed)
	}
}

func (k *Keeper) leaseLeft() time.Duration {
	at, ok := k.confirmed[k.choice.keyID]
	if !ok {
		return 0
	}
	return max(at+k.config.LocalKEK.Lease-k.boot(), 0)
}

func (k *Keeper) logPrepare(err error) {
	if err != nil && (k.prepare == nil || k.prepare.Error() != err.Error()) {
		k.log.Error("a key version cannot be made ready", "cause", err.Error())
	}
	k.prepare = err
}

func (k *Keeper) logChoice(before, after choice) {
	if after.version != 0 && after.keyID != before.keyID {
		k.log.Info("write version", "version", after.version, "key_id", after.keyID, "before", before.version)
		if before.version != 0 && after.version <= before.version {
			k.log.Error("the key in Vault is another one than before: deleted and created again, or restored", "key_id", after.keyID, "before", before.keyID)
		}
	}
	if after.next != 0 && (after.next != before.next || !after.at.Equal(before.at)) {
		k.log.Info("key version will be promoted", "version", after.next, "at", after.at.UTC())
	}
}
