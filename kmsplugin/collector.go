package kmsplugin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
)

// collector turns the Service's state into metrics when it is asked for them.
type collector struct{ service *Service }

// gauges returns what emits the gauges of a name.
type gauges func(name, help string, labels ...string) func(value float64, labels ...string)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name, help string, labels ...string) func(float64, ...string) {
		desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
		return func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
		}
	}
	service := c.service
	now, build := service.boot(), service.build
	gauge("build_info", "1, with what runs as labels.", "version", "commit", "go")(1, build.Version, build.Commit, build.Go)
	gauge("rehearsal_active", "1 while the plugin is cut off from Vault on purpose.")(number(service.rehearsal.left() > 0))
	collectWriter(gauge, service.writer().Snapshot(), service.config.LocalKEK.Lease, now)
	derived := 0
	for _, src := range service.sources {
		snap := src.monitor.Snapshot()
		derived += snap.LocalKEKs()
		collectKey(func(name, help string, labels ...string) func(float64, ...string) {
			emit := gauge(name, help, append([]string{"source"}, labels...)...)
			return func(value float64, labels ...string) { emit(value, append([]string{src.name}, labels...)...) }
		}, snap, now)
		collectRisks(gauge, src)
	}
	seeds, keks := service.cache.len()
	held := gauge("held", "What is held in memory: local_kek (derived), opened_kek, opened_seed.", "kind")
	held(float64(derived), "local_kek")
	held(float64(keks), "opened_kek")
	held(float64(seeds), "opened_seed")
}

// collectWriter is about the version that writes.
func collectWriter(gauge gauges, s *keystate.Snapshot, lease, now time.Duration) {
	v, err := s.Serving(now)
	gauge("serving", "1 if Status, Encrypt and Decrypt are served.")(number(err == nil))
	version, left, promotion, announced := 0, time.Duration(0), 0.0, 0.0
	if err == nil {
		version, left = v.Number, s.LeaseLeft(v.Binding.KeyID, now)
		gauge("key_id_info", "The key_id that Status names, as the same hash that the API server's own metrics use.", "key_id_hash")(1, hashKeyID(v.Binding.KeyID))
	}
	if s.Choice.Next != 0 {
		promotion, announced = unixSeconds(s.Choice.At), unixSeconds(s.Choice.Announced)
	}
	gauge("write_version", "The version of the Vault key that new seeds are sealed under; 0 if none.")(float64(version))
	gauge("lease_remaining_seconds", "How long the write version may still be used if Vault does not confirm it.")(left.Seconds())
	gauge("lease_duration_seconds", "How long a version may be used after Vault last confirmed it, as configured.")(lease.Seconds())
	gauge("next_write_version", "The version that waits for its promotion; 0 if none.")(float64(s.Choice.Next))
	gauge("promotion_timestamp_seconds", "When next_write_version will be promoted, on Vault's clock; 0 if none waits.")(promotion)
	gauge("promotion_announced_timestamp_seconds", "When next_write_version was to be promoted as announced, on Vault's clock; 0 if none waits.")(announced)
}

// collectKey is about one key.
func collectKey(gauge gauges, s *keystate.Snapshot, now time.Duration) {
	gauge("key_versions", "Versions of the Vault key that are listed.")(float64(len(s.Key.Created)))
	gauge("key_min_decryption_version", "The oldest version that Vault decrypts.")(float64(s.Key.MinDecryption))
	lastGood := -1.0
	if s.Health.EverGood {
		lastGood = (now - s.Health.LastGood).Seconds()
	}
	gauge("last_good_probe_seconds", "Seconds since Vault last served the key; -1 if it never has.")(lastGood)
	state := gauge("vault_state", "1 for what the last probe met: ok, or a class of failure.", "state")
	state(number(s.Health.State() == keystate.StateOK), keystate.StateOK)
	for _, class := range []backend.Class{backend.Outage, backend.Credentials, backend.Refusal, backend.Unsuitable} {
		state(number(s.Health.Class == class), class.String())
	}
	refused := map[backend.Class]float64{}
	for _, w := range s.Withheld() {
		refused[w.Class]++
	}
	served := s.OnRefusal == RefusalLease
	withheld := gauge("withheld_versions", "Versions that Vault refuses for certain and of which something is held, by whether the whole key is refused or the version, and whether they are served all the same.", "scope", "served")
	for class, scope := range map[backend.Class]string{backend.Refusal: "key", backend.VersionRefusal: "version"} {
		withheld(refused[class]*number(!served), scope, "no")
		withheld(refused[class]*number(served), scope, "yes")
	}
	left, _ := s.RefusedLeft(now)
	gauge("withheld_remaining_seconds", "How long what was sealed with a key that Vault refuses can still be saved; 0 if no such key is held.")(left.Seconds())
	gauge("unconfirmed_versions", "Versions held that Vault neither confirms nor refuses: their lease is not renewed.")(float64(len(s.Unconfirmed)))
}

// collectRisks is about the risks of one key, and the token for it.
func collectRisks(gauge gauges, src *source) {
	present := map[string]bool{}
	for _, r := range src.risks() {
		present[r.Name] = true
	}
	risk := gauge("key_hazard", "1 for a property of the key, or of the way to it, that endangers what is sealed with it.", "source", "hazard")
	for _, name := range riskNames() {
		risk(number(present[name]), src.name, name)
	}
	if life := src.token.life.Load(); life != nil {
		expires := 0.0
		if !life.expires.IsZero() {
			expires = float64(life.expires.Unix())
		}
		gauge("vault_token_expiry_timestamp_seconds", "When the present Vault token expires; 0 if it never does.", "source")(expires, src.name)
	}
}

func unixSeconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
