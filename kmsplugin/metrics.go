package kmsplugin

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const namespace = "sealproof"

// Metrics are the plugin's own. Every label has a handful of values.
type Metrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	bare         prometheus.Counter
	panics       prometheus.Counter
	storeTime    *prometheus.HistogramVec
	storeResults *prometheus.CounterVec
	batch        prometheus.Histogram
	tokenExpiry  prometheus.Gauge
}

// NewMetrics registers the metrics of requests, of the key store and of the
// Keeper's state.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "kms_requests_total",
			Help: "Requests of the API server by method and gRPC code."}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "kms_request_duration_seconds",
			Help:    "How long requests of the API server took.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}, []string{"method"}),
		bare: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "bare_decrypts_total",
			Help: "Decrypt requests for ciphertext of another Transit plugin, which has no associated data."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "panics_total",
			Help: "Requests that met a defect of the plugin."}),
		storeTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "vault_request_duration_seconds",
			Help:    "How long requests to Vault took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"operation"}),
		storeResults: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "vault_requests_total",
			Help: "Requests to Vault by operation and result: ok, or the class of the failure."}, []string{"operation", "result"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "vault_batch_items",
			Help: "How many items went to Vault in one request.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}),
		tokenExpiry: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "vault_token_expiry_timestamp_seconds",
			Help: "When the present Vault token expires; 0 if it never does."}),
	}
	registry.MustRegister(m.requests, m.duration, m.bare, m.panics, m.storeTime, m.storeResults, m.batch, m.tokenExpiry)
	return m
}

// Request records a request to Vault; class is 0 if it succeeded.
func (m *Metrics) Request(operation string, class backend.Class, d time.Duration) {
	result := "ok"
	if class != 0 {
		result = class.String()
	}
	m.storeTime.WithLabelValues(operation).Observe(d.Seconds())
	m.storeResults.WithLabelValues(operation, result).Inc()
}

// Batch records how many items one request to Vault carried.
func (m *Metrics) Batch(items int) { m.batch.Observe(float64(items)) }

// Token records when the token expires; the zero time is never.
func (m *Metrics) Token(expires time.Time, _ bool) {
	if expires.IsZero() {
		m.tokenExpiry.Set(0)
		return
	}
	m.tokenExpiry.Set(float64(expires.Unix()))
}

// collector turns the snapshot into metrics when it is asked for them.
type collector struct {
	service *Service

	keyID, write, versions, minimum, next, promotion *prometheus.Desc
	held, lease, probe, state, serving               *prometheus.Desc
}

func newCollector(s *Service) collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return collector{
		service:   s,
		keyID:     desc("key_id_info", "The key_id that Status names, as the same hash that the API server's own metrics use.", "key_id_hash"),
		write:     desc("write_version", "The version of the Vault key that new seeds are sealed under; 0 if none."),
		versions:  desc("key_versions", "Versions of the Vault key that are listed."),
		minimum:   desc("key_min_decryption_version", "The oldest version that Vault decrypts."),
		next:      desc("next_write_version", "The version that waits for its promotion; 0 if none."),
		promotion: desc("promotion_timestamp_seconds", "When next_write_version will be promoted, on Vault's clock; 0 if none waits."),
		held:      desc("held", "What is held in memory: local_kek (derived), opened_kek, opened_seed.", "kind"),
		lease:     desc("lease_remaining_seconds", "How long the write version may still be used if Vault does not confirm it."),
		probe:     desc("last_good_probe_seconds", "Seconds since Vault last served the key; -1 if it never has."),
		state:     desc("vault_state", "1 for what the last probe met: ok, or a class of failure.", "state"),
		serving:   desc("serving", "1 if Status, Encrypt and Decrypt are served."),
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
	s := c.service.keeper.snapshot()
	seeds, keks := c.service.opened.len()
	gauge(c.held, float64(len(s.keks)), "local_kek")
	gauge(c.held, float64(keks), "opened_kek")
	gauge(c.held, float64(seeds), "opened_seed")
	gauge(c.versions, float64(len(s.key.Created)))
	gauge(c.minimum, float64(s.key.MinDecryption))

	write, serving, lease := 0, 0.0, 0.0
	if v, err := s.serving(now); err == nil {
		write, serving = v.number, 1
		lease = (s.leaseEnds[v.binding.KeyID] - now).Seconds()
		gauge(c.keyID, 1, hashKeyID(v.binding.KeyID))
	}
	gauge(c.write, float64(write))
	gauge(c.serving, serving)
	gauge(c.lease, lease)
	gauge(c.next, float64(s.choice.next))
	promotion := 0.0
	if s.choice.next != 0 {
		promotion = float64(s.choice.at.UnixMilli()) / 1000
	}
	gauge(c.promotion, promotion)

	probe := -1.0
	if s.standing.everGood {
		probe = (now - s.standing.lastGood).Seconds()
	}
	gauge(c.probe, probe)
	for _, class := range []backend.Class{0, backend.Outage, backend.Credentials, backend.Refusal, backend.Unsuitable} {
		state, v := "ok", 0.0
		if class != 0 {
			state = class.String()
		}
		if s.standing.class == class && (class != 0 || s.standing.everGood) {
			v = 1
		}
		gauge(c.state, v, state)
	}
}

// hashKeyID is the form of a key_id in the API server's own metrics
// (k8s.io/apiserver .../envelope/metrics/metrics.go).
func hashKeyID(keyID string) string {
	sum := sha256.Sum256([]byte(keyID))
	return "sha256:" + hex.EncodeToString(sum[:])
}
