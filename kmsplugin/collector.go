package kmsplugin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// collector turns the snapshots into metrics when it is asked for them.
type collector struct {
	service *Service

	build, keyID, write, next                    *prometheus.Desc
	promotion, announced                         *prometheus.Desc
	held, lease, leaseLength, serving, rehearsal *prometheus.Desc
	versions, minimum, probe, state, risk        *prometheus.Desc // by source
	withheld, withheldLeft, unconfirmed, token   *prometheus.Desc // likewise
}

func newCollector(s *Service) collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return collector{
		service:     s,
		build:       desc("build_info", "1, with what runs as labels.", "version", "commit", "go"),
		keyID:       desc("key_id_info", "The key_id that Status names, as the same hash that the API server's own metrics use.", "key_id_hash"),
		write:       desc("write_version", "The version of the Vault key that new seeds are sealed under; 0 if none."),
		next:        desc("next_write_version", "The version that waits for its promotion; 0 if none."),
		promotion:   desc("promotion_timestamp_seconds", "When next_write_version will be promoted, on Vault's clock; 0 if none waits."),
		announced:   desc("promotion_announced_timestamp_seconds", "When next_write_version was to be promoted as announced, on Vault's clock; 0 if none waits."),
		held:        desc("held", "What is held in memory: local_kek (derived), opened_kek, opened_seed.", "kind"),
		lease:       desc("lease_remaining_seconds", "How long the write version may still be used if Vault does not confirm it."),
		leaseLength: desc("lease_duration_seconds", "How long a version may be used after Vault last confirmed it, as configured."),
		serving:     desc("serving", "1 if Status, Encrypt and Decrypt are served."),
		rehearsal:   desc("rehearsal_active", "1 while the plugin is cut off from Vault on purpose."),
		versions:    desc("key_versions", "Versions of the Vault key that are listed.", "source"),
		minimum:     desc("key_min_decryption_version", "The oldest version that Vault decrypts.", "source"),
		probe:       desc("last_good_probe_seconds", "Seconds since Vault last served the key; -1 if it never has.", "source"),
		state:       desc("vault_state", "1 for what the last probe met: ok, or a class of failure.", "source", "state"),
		withheld: desc("withheld_versions", "Versions that Vault refuses for certain and of which something is held, by whether the whole key is refused or the version, and whether they are served all the same.",
			"source", "scope", "served"),
		withheldLeft: desc("withheld_remaining_seconds", "How long what was sealed with a key that Vault refuses can still be saved; 0 if no such key is held.", "source"),
		unconfirmed:  desc("unconfirmed_versions", "Versions held that Vault neither confirms nor refuses: their lease is not renewed.", "source"),
		token:        desc("vault_token_expiry_timestamp_seconds", "When the present Vault token expires; 0 if it never does.", "source"),
		risk:         desc("key_hazard", "1 for a property of the key, or of the way to it, that endangers what is sealed with it.", "source", "hazard"),
	}
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := c.service.boot()
	s := c.service.writer().Snapshot()
	seeds, keks := c.service.cache.len()
	build := c.service.build
	gauge(c.build, 1, build.Version, build.Commit, build.Go)
	gauge(c.held, float64(keks), "opened_kek")
	gauge(c.held, float64(seeds), "opened_seed")
	gauge(c.rehearsal, number(c.service.rehearsal.left() > 0))
	gauge(c.leaseLength, c.service.config.LocalKEK.Lease.Seconds())

	v, err := s.Serving(now)
	gauge(c.serving, number(err == nil))
	if err == nil {
		gauge(c.write, float64(v.Number))
		gauge(c.lease, s.LeaseLeft(v.Binding.KeyID, now).Seconds())
		gauge(c.keyID, 1, hashKeyID(v.Binding.KeyID))
	} else {
		gauge(c.write, 0)
		gauge(c.lease, 0)
	}
	gauge(c.next, float64(s.Choice.Next))
	promotion, announced := 0.0, 0.0
	if s.Choice.Next != 0 {
		promotion, announced = unixSeconds(s.Choice.At), unixSeconds(s.Choice.Announced)
	}
	gauge(c.promotion, promotion)
	gauge(c.announced, announced)

	derived := 0
	for _, src := range c.service.sources {
		snap := src.monitor.Snapshot()
		derived += snap.LocalKEKs()
		c.collectSource(gauge, src, snap, now)
	}
	gauge(c.held, float64(derived), "local_kek")
}

func (c collector) collectSource(gauge func(*prometheus.Desc, float64, ...string), src *source, s *keystate.Snapshot, now time.Duration) {
	name := src.name
	gauge(c.versions, float64(len(s.Key.Created)), name)
	gauge(c.minimum, float64(s.Key.MinDecryption), name)
	probe := -1.0
	if s.Health.EverGood {
		probe = (now - s.Health.LastGood).Seconds()
	}
	gauge(c.probe, probe, name)
	state := s.Health.State()
	for _, class := range []backend.Class{0, backend.Outage, backend.Credentials, backend.Refusal, backend.Unsuitable} {
		label := keystate.StateOK
		if class != 0 {
			label = class.String()
		}
		gauge(c.state, number(label == state), name, label)
	}
	for class, scope := range map[backend.Class]string{backend.Refusal: "key", backend.VersionRefusal: "version"} {
		n := 0
		for _, w := range s.Withheld() {
			if w.Class == class {
				n++
			}
		}
		served := s.OnRefusal == RefusalLease
		gauge(c.withheld, float64(n)*number(!served), name, scope, "no")
		gauge(c.withheld, float64(n)*number(served), name, scope, "yes")
	}
	left, _ := s.RefusedLeft(now)
	gauge(c.withheldLeft, left.Seconds(), name)
	gauge(c.unconfirmed, float64(len(s.Unconfirmed)), name)
	present := map[string]bool{}
	for _, r := range src.risks() {
		present[r.Name] = true
	}
	for _, r := range riskNames() {
		gauge(c.risk, number(present[r]), name, r)
	}
	if life, known := src.token.get(); known {
		expires := 0.0
		if !life.expires.IsZero() {
			expires = float64(life.expires.Unix())
		}
		gauge(c.token, expires, name)
	}
}

func unixSeconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
