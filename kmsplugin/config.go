package kmsplugin

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// Values of Config.Envelope.
const (
	// EnvelopeLocal wraps DEK seeds with local KEKs.
	EnvelopeLocal = "local"
	// EnvelopeVault has Vault wrap every DEK seed itself.
	EnvelopeVault = "vault"
)

// Values of Config.OnRefusal.
const (
	// RefusalWithhold serves nothing once a refusal is confirmed, and holds what
	// it has until its lease ends: a key that was deleted by mistake must not be
	// the end of the data.
	RefusalWithhold = keystate.Withhold
	// RefusalDrop serves nothing either, and holds nothing.
	RefusalDrop = keystate.Drop
	// RefusalLease treats a refusal like an outage: the lease runs.
	RefusalLease = keystate.Lease
)

// Config is what the KMS service needs to know. The tags are the keys under
// which operators write it.
type Config struct {
	Cluster            string        `mapstructure:"cluster" help:"identity of this cluster, stored with every object and never to be changed (required)"`
	AcceptClusters     []string      `mapstructure:"accept-clusters" help:"former identities of this cluster whose objects are still opened"`
	Envelope           string        `mapstructure:"envelope" help:"what seals DEK seeds: local (a local KEK, no Vault request) or vault (Vault itself, each time)"`
	PromotionDelay     time.Duration `mapstructure:"promotion-delay" help:"how long after its creation a key version is first written with"`
	ProbeInterval      time.Duration `mapstructure:"probe-interval" help:"how often Vault is asked about the key"`
	ProbeIntervalFault time.Duration `mapstructure:"probe-interval-failing" help:"how often while something is wrong"`
	RequestTimeout     time.Duration `mapstructure:"request-timeout" help:"how long a request of the API server may take; its own limit is 3s by default"`
	OnRefusal          string        `mapstructure:"on-refusal" help:"what becomes of local keys when Vault refuses the key for certain: withhold (not used, and held until the lease ends), drop (erased at once) or lease (used until the lease ends); read again at SIGHUP"`
	LocalKEK           LocalKEK      `mapstructure:"local-kek"`
	Decrypt            Decrypt       `mapstructure:"decrypt"`
	Outage             Outage        `mapstructure:"outage"`
}

// LocalKEK configures local KEKs.
type LocalKEK struct {
	Lease      time.Duration `mapstructure:"lease" help:"how long local keys may be used after Vault last confirmed their version"`
	Keep       string        `mapstructure:"keep" help:"where local keys survive a restart of the plugin: none, or systemd (in the service's file descriptor store)"`
	LockMemory bool          `mapstructure:"lock-memory" help:"keep the plugin's memory out of swap; needs a memory lock limit that is high enough"`
}

// Values of LocalKEK.Keep.
const (
	KeepNone    = "none"
	KeepSystemd = "systemd"
)

// Decrypt configures what may be opened.
type Decrypt struct {
	RequireAssociatedData bool `mapstructure:"require-associated-data" help:"refuse what another Transit plugin wrote; set it once everything is rewritten"`
}

// Outage configures how outages are shown.
type Outage struct {
	ReportAfter time.Duration `mapstructure:"report-after" help:"report an outage in the API server's healthz after this long; 0 never does, because an API server that is not healthy takes itself out of service"`
}

// DefaultConfig returns the defaults; Cluster has none.
func DefaultConfig() Config {
	return Config{
		Envelope:           EnvelopeLocal,
		PromotionDelay:     3 * time.Minute,
		ProbeInterval:      30 * time.Second,
		ProbeIntervalFault: 5 * time.Second,
		RequestTimeout:     2500 * time.Millisecond,
		OnRefusal:          RefusalWithhold,
		LocalKEK:           LocalKEK{Lease: 24 * time.Hour, Keep: KeepNone},
	}
}

// keySettings says how one key is watched. retain is whether the bytes of local KEKs are
// held to be saved.
func (c Config) keySettings(readOnly, retain bool) keystate.Settings {
	return keystate.Settings{
		Cluster: c.Cluster, LocalKEKs: c.Envelope == EnvelopeLocal, ReadOnly: readOnly, Retain: retain,
		Lease: c.LocalKEK.Lease, PromotionDelay: c.PromotionDelay,
		ProbeInterval: c.ProbeInterval, ProbeIntervalFailing: c.ProbeIntervalFault, OnRefusal: c.OnRefusal,
	}
}

// Validate returns every impossible value with its key.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Cluster == "" {
		bad("cluster", "is required: a name for this cluster that no other cluster using the same key has, and that never changes")
	} else if err := envelope.ValidateCluster(c.Cluster); err != nil {
		bad("cluster", "%v", err)
	}
	for _, name := range c.AcceptClusters {
		if err := envelope.ValidateCluster(name); err != nil {
			bad("accept-clusters", "%v", err)
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			bad(key, "%q: want one of %q", value, allowed)
		}
	}
	oneOf("envelope", c.Envelope, EnvelopeLocal, EnvelopeVault)
	oneOf("local-kek.keep", c.LocalKEK.Keep, KeepNone, KeepSystemd)
	oneOf("on-refusal", c.OnRefusal, RefusalWithhold, RefusalDrop, RefusalLease)
	between := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			bad(key, "%v: want %v to %v", d, low, high)
		}
	}
	between("probe-interval", c.ProbeInterval, 100*time.Millisecond, 10*time.Minute)
	between("probe-interval-failing", c.ProbeIntervalFault, 100*time.Millisecond, c.ProbeInterval)
	between("request-timeout", c.RequestTimeout, 100*time.Millisecond, time.Minute)
	between("promotion-delay", c.PromotionDelay, time.Second, 24*time.Hour)
	between("local-kek.lease", c.LocalKEK.Lease, time.Minute, 365*24*time.Hour)
	// A replica promotes a version only if its last probe is younger than half the
	// delay. With slower probes no version would ever be promoted.
	if c.PromotionDelay < 3*c.ProbeInterval {
		bad("promotion-delay", "%v: want at least three times probe-interval (%v)", c.PromotionDelay, c.ProbeInterval)
	}
	if c.LocalKEK.Lease < 3*c.ProbeInterval {
		bad("local-kek.lease", "%v: want at least three times probe-interval (%v)", c.LocalKEK.Lease, c.ProbeInterval)
	}
	if c.Outage.ReportAfter < 0 {
		bad("outage.report-after", "%v: want 0 or more", c.Outage.ReportAfter)
	}
	return errors.Join(errs...)
}
