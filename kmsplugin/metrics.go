package kmsplugin

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/socket"
)

const namespace = "sealproof"

// Metrics are the plugin's own. Every label has a handful of values.
type Metrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	unbound      prometheus.Counter
	panics       prometheus.Counter
	storeTime    *prometheus.HistogramVec
	storeResults *prometheus.CounterVec
	batch        *prometheus.HistogramVec

	propertyChanges *prometheus.CounterVec
	refusedPeers    prometheus.Counter

	excessConnections prometheus.Counter
	socket            *prometheus.GaugeVec
}

// NewMetrics registers what is counted when it happens; NewHandler adds what is read
// from the Service's state.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "kms_requests_total",
			Help: "Requests of the API server by method and gRPC code."}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "kms_request_duration_seconds",
			Help:    "How long requests of the API server took.",
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}, []string{"method"}),
		unbound: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "bare_decrypts_total",
			Help: "Decrypt requests for ciphertext of another Transit plugin, which has no associated data."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "panics_total",
			Help: "Requests that met a defect of the plugin."}),
		storeTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "vault_request_duration_seconds",
			Help:    "How long requests to Vault took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"source", "operation"}),
		storeResults: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "vault_requests_total",
			Help: "Requests to Vault by operation and result: ok, or the class of the failure."}, []string{"source", "operation", "result"}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "vault_batch_items",
			Help: "How many items went to Vault in one request.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}}, []string{"source"}),
		propertyChanges: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "key_property_changes_total",
			Help: "Changes of the key's properties in Vault that were seen, by property."}, []string{"source", "property"}),
		refusedPeers: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "refused_connections_total",
			Help: "Connections to the socket of a uid that is not in socket.allow-uids."}),
		excessConnections: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "excess_connections_total",
			Help: "Connections to the socket that were closed because too many were open."}),
		socket: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "socket_state",
			Help: "1 for who answers at socket.path: own (this plugin), other (another process), lost (no process)."}, []string{"state"}),
	}
	registry.MustRegister(m.requests, m.duration, m.unbound, m.panics, m.storeTime, m.storeResults, m.batch,
		m.propertyChanges, m.refusedPeers, m.excessConnections, m.socket)
	return m
}

// PeerRefused records a connection of a uid that may not connect.
func (m *Metrics) PeerRefused() { m.refusedPeers.Inc() }

// SocketState records which process answers at the path of the socket.
func (m *Metrics) SocketState(now socket.State) {
	for _, state := range socket.States() {
		m.socket.WithLabelValues(string(state)).Set(number(state == now))
	}
}

// Observer records what happens between one source and its key store.
type Observer struct {
	*TokenState
	metrics *Metrics
	source  string
	batches prometheus.Observer
}

// Observer returns the observer of a source, by its name in the configuration. What it
// is told of the token goes to token.
func (m *Metrics) Observer(source string, token *TokenState) *Observer {
	return &Observer{TokenState: token, metrics: m, source: source, batches: m.batch.WithLabelValues(source)}
}

// Request records a request to Vault; class is 0 if it succeeded.
func (o *Observer) Request(operation string, class backend.Class, d time.Duration) {
	result := "ok"
	if class != 0 {
		result = class.String()
	}
	o.metrics.storeTime.WithLabelValues(o.source, operation).Observe(d.Seconds())
	o.metrics.storeResults.WithLabelValues(o.source, operation, result).Inc()
}

// Batch records how many items one request to Vault carried.
func (o *Observer) Batch(items int) { o.batches.Observe(float64(items)) }

// hashKeyID is the form of a key_id in the API server's own metrics
// (k8s.io/apiserver .../envelope/metrics/metrics.go).
func hashKeyID(keyID string) string {
	sum := sha256.Sum256([]byte(keyID))
	return "sha256:" + hex.EncodeToString(sum[:])
}
