package keystate

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

// Values of Settings.OnRefusal.
const (
	// Withhold uses nothing of a refused version, and holds it until its lease ends.
	Withhold = "withhold"
	// Drop erases what is held of a refused version.
	Drop = "drop"
	// Lease treats a refusal like an outage: the lease runs.
	Lease = "lease"
)

// Settings say how one key is watched.
type Settings struct {
	Cluster string
	// LocalKEKs is whether versions are provisioned with a local KEK.
	LocalKEKs bool
	// ReadOnly is set for a key that is never written with.
	ReadOnly bool
	// Retain is whether the bytes of local KEKs are held for a checkpoint.
	Retain               bool
	Lease                time.Duration // from the probe that last confirmed a version
	PromotionDelay       time.Duration // from the creation of a version
	ProbeInterval        time.Duration
	ProbeIntervalFailing time.Duration // while something is wrong
	OnRefusal            string        // Withhold, Drop or Lease
}

// Parts are what a Monitor works with.
type Parts struct {
	Backend backend.Backend
	// Boot is the time since boot, suspended time included: a machine that slept
	// must not find its lease where it left it.
	Boot      func() time.Duration
	Log       *slog.Logger
	Unwrapped Unwrapped
	// Changed is told when there may be something new to save.
	Changed func()
	// PropertyChanged is told which property of the key has changed.
	PropertyChanged func(property string)
}

// Unwrapped is what the key store has unwrapped on request with this key. Leases
// and refusals apply to it as they do to local KEKs. Its methods are safe for
// concurrent use.
type Unwrapped interface {
	// Since returns for each version, by key_id, of which something is held when
	// the oldest of it was asked for, on the boot clock.
	Since() map[string]time.Duration
	// Drop erases what was asked for at a time under a version where gone says so.
	Drop(gone func(keyID string, at time.Duration) bool)
}

// Monitor probes one key in the background and publishes the Snapshot that requests
// are answered from. Only Run changes its state.
type Monitor struct {
	settings        Settings
	boot            func() time.Duration
	log             *slog.Logger
	unwrapped       Unwrapped
	changed         func()
	propertyChanged func(property string)
	prober          prober

	current atomic.Pointer[Snapshot]
	soon    chan struct{}
	// wanted is the OnRefusal that was asked for last; changes tells Run of it.
	wanted  atomic.Pointer[string]
	changes chan struct{}
	raws    sync.Mutex // guards the bytes in versions: Checkpoint reads what Run overwrites

	// Owned by Run.
	onRefusal string
	withheld  map[string]Withheld // by key_id; replaced, never changed
	erased    bool                // something was dropped because it was refused
	// lost is why the version that wrote was dropped, until a probe has an answer.
	lost Withheld
	// unconfirmed says of versions held, by key_id, why the last good probe has not
	// confirmed them; replaced, never changed.
	unconfirmed map[string]string
	versions    map[string]*Version // by key_id; replaced, never changed
	confirmed   map[string]time.Duration
	health      Health
	clock       serverTime
	key         backend.Key
	choice      Choice
	provision   error         // why a listed version could not be provisioned
	warm        bool          // a probe has succeeded
	more        bool          // versions are still to be provisioned
	seen        time.Duration // when the last good probe had ended
	resumed     time.Time     // see promotion
	risks       []Risk
	oldest      int               // the lowest minimum that was ever seen
	created     map[int]time.Time // creation times as first seen
}

// New returns a Monitor that has asked nothing yet.
func New(settings Settings, parts Parts) *Monitor {
	m := &Monitor{
		settings: settings, boot: parts.Boot, log: parts.Log, unwrapped: parts.Unwrapped,
		changed: parts.Changed, propertyChanged: parts.PropertyChanged,
		prober:    prober{settings: settings, backend: parts.Backend, boot: parts.Boot},
		soon:      make(chan struct{}, 1),
		changes:   make(chan struct{}, 1),
		onRefusal: settings.OnRefusal,
		withheld:  map[string]Withheld{},
		health:    Health{failing: settings.ProbeIntervalFailing},
		versions:  map[string]*Version{},
		confirmed: map[string]time.Duration{},
		created:   map[int]time.Time{},
	}
	m.current.Store(m.compose())
	return m
}

// Snapshot returns what to answer from.
func (m *Monitor) Snapshot() *Snapshot { return m.current.Load() }

// ProbeSoon asks for a probe within about a second: a request has met something that
// the last probe did not.
func (m *Monitor) ProbeSoon() { signal(m.soon) }

// SetOnRefusal changes Settings.OnRefusal for what is held and what will be.
func (m *Monitor) SetOnRefusal(onRefusal string) {
	m.wanted.Store(&onRefusal)
	signal(m.changes)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

const (
	// probeTimeout bounds a probe. Two requests confirm what is held; the rest of
	// the time is for provisioning.
	probeTimeout = 10 * time.Second
	// ProbeGap is the least time between the starts of two probes. It keeps failing
	// requests from causing a storm of probes.
	ProbeGap = time.Second
	// ProvisionPause is how long a plugin waits after its first good probe before it
	// provisions further versions: the API server that waited for it comes first.
	ProvisionPause = 200 * time.Millisecond
)

// Run probes until the context ends, and then drops every key. It returns only
// when no probe is under way any more.
func (m *Monitor) Run(ctx context.Context) {
	results := make(chan findings, 1)
	probing, again := false, false
	probe := time.NewTimer(0)
	promote := time.NewTimer(time.Hour)
	defer probe.Stop()
	defer promote.Stop()
	last := m.boot() - ProbeGap
	for {
		select {
		case <-ctx.Done():
			if probing {
				(<-results).clear()
			}
			m.forget()
			return
		case <-m.soon:
			if probing {
				again = true // the probe may have asked before what the request has met
				continue
			}
			probe.Reset(max(ProbeGap-(m.boot()-last), 0))
			continue
		case <-probe.C:
			if probing {
				continue
			}
			probing = true
			last = m.boot()
			m.startProbe(ctx, last, results)
			continue
		case f := <-results:
			m.apply(f)
			next := m.interval()
			if again {
				next = min(next, ProbeGap)
			}
			probing, again = false, false
			probe.Reset(next)
		case <-m.changes:
			m.applyOnRefusal()
		case <-promote.C:
			m.publish()
		}
		if c := m.choice; c.Next != 0 {
			// A millisecond later, so that the instant has passed by then.
			promote.Reset(max(m.clock.bootAt(c.At)-m.boot(), 0) + time.Millisecond)
			if !m.fresh() {
				promote.Stop() // the next good probe decides
			}
		}
	}
}

// startProbe starts a probe in the background.
func (m *Monitor) startProbe(ctx context.Context, now time.Duration, results chan<- findings) {
	held, confirms := m.versions, m.health.suspects(now)
	first := m.chooseFirst
	if m.warm || m.settings.ReadOnly {
		first = nil
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		if confirms {
			ctx = backend.WithNewConnection(ctx)
		}
		results <- m.prober.probe(ctx, held, first)
	}()
}

// interval returns the time until the next probe. It is spread over a tenth, so that
// the replicas of a fleet do not probe in step.
func (m *Monitor) interval() time.Duration {
	if m.more {
		return ProvisionPause
	}
	d := m.settings.ProbeInterval
	if m.health.troubled() || m.writes() == nil && !m.settings.ReadOnly {
		d = m.settings.ProbeIntervalFailing
	}
	if m.health.suspects(m.boot()) {
		d = max(d, refusalGap)
	}
	return d + time.Duration(rand.Int64N(int64(d/10)+1)) //nolint:gosec // spreading load, not secrets
}

// apply takes in what a probe found.
func (m *Monitor) apply(f findings) {
	before := m.health
	m.health = m.health.after(f.outcome)
	m.logHealth(before, f.err)
	m.more = false
	if f.err == nil {
		m.lost = Withheld{}
		m.compareKey(f.key)
		m.clock = m.clock.observe(f.key.Clock)
		m.noteGap(f.at)
		m.warm, m.more = true, f.partial
		m.key = f.key
		m.logProvision(f.provision)
		m.versions = maps.Clone(m.versions)
		for _, v := range f.added { // a version without a local KEK may be replaced, none with one
			m.versions[v.Binding.KeyID] = v
			m.log.Info("key version ready", "version", v.Number, "key_id", v.Binding.KeyID,
				"created", f.key.Created[v.Number].UTC(), "decrypts_only", v.canary.isDecoy())
		}
		for _, id := range f.accepted {
			// From the start of the probe, not its end: what was true when the probe
			// asked may have ended while the answer was under way.
			m.confirmed[id] = f.at
		}
		m.logUnconfirmed(f)
	}
	m.markRefused(f.outcome)
	m.dropRefused()
	m.dropExpired()
	m.publish()
}

// publish decides which version writes and replaces the snapshot.
func (m *Monitor) publish() {
	before := m.choice
	m.choose()
	m.current.Store(m.compose())
	m.changed()
	m.logChoice(before, m.choice)
}

// versionID is the key_id of one of the versions that the key store lists.
func versionID(key backend.Key, version int) string {
	return envelope.KeyID(key.Mount, key.Name, version, key.Created[version])
}
