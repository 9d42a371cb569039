// Package apimetrics reads what the metrics of an API server say of its
// EncryptionConfiguration: which file is in force, whether a later one was refused, and which keys
// of KMS v2 plugins it uses.
package apimetrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sealproof/sealproof/etcdaudit/kubeapi"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Metrics is what they say.
type Metrics struct {
	// Hash is "sha256:…" of the bytes of the file in force (last_config_info); empty if
	// they do not say, and Missing is why.
	Hash, Missing string
	// Successes and Failures count reloads since the API server's start.
	Successes, Failures int64
	// Reloaded is when a reload last succeeded; zero for never.
	Reloaded time.Time
	// Current has, by the name of a KMS v2 provider, the hash of the key_id that its plugin's
	// Status has returned last, and Opened the hashes of those under which values were decrypted
	// since the API server's start. They are "sha256:…" of the key_id.
	Current map[string]string
	Opened  map[string]bool
}

// The names of k8s.io/apiserver v0.37.1, pkg/server/options/encryptionconfig/metrics. The
// reloads of 1.27 and earlier had names without the status as a label.
const (
	lastConfig = "apiserver_encryption_config_controller_last_config_info"
	reloads    = "apiserver_encryption_config_controller_automatic_reloads_total"
	reloaded   = "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds"
)

// Those of pkg/storage/value/encrypt/envelope/metrics. Each has the last 100 key_ids.
const (
	statusTimes = "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds"
	keyIDTotals = "apiserver_envelope_encryption_key_id_hash_total"
)

const longestMetrics = 64 << 20 // in bytes

// Get asks the API server of a kubeconfig's current context for its metrics.
func Get(ctx context.Context, file string) (*Metrics, error) {
	c, err := kubeapi.Load(file)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	text, err := c.Get(ctx, "/metrics", nil, "get the non-resource URL /metrics")
	if err != nil {
		return nil, fmt.Errorf("metrics with kubeconfig %s: %w", file, err)
	}
	return Parse(text)
}

// ReadFile reads a file with what GET /metrics answered.
func ReadFile(name string) (*Metrics, error) {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	text, _, err := hostfacts.Tree{Root: "/"}.ReadFile(absolute, longestMetrics)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	m, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("API server's metrics %s: %w", name, err)
	}
	return m, nil
}

// Parse reads the text that GET /metrics answers. It fails if that is not the text of an
// API server's metrics.
func Parse(text []byte) (*Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("this is not the text format of Prometheus metrics")
	}
	m := &Metrics{}
	hashes := map[string]bool{}
	for _, sample := range families[lastConfig].GetMetric() {
		if hash := label(sample, "hash"); hash != "" && value(sample) > 0 {
			m.Hash = hash
			hashes[hash] = true
		}
	}
	for _, sample := range families[reloads].GetMetric() {
		switch n := int64(value(sample)); label(sample, "status") {
		case "success":
			m.Successes += n
		case "failure":
			m.Failures += n
		}
	}
	for _, sample := range families[reloaded].GetMetric() {
		if label(sample, "status") == "success" {
			m.Reloaded = seconds(value(sample))
		}
	}
	m.keys(families)
	switch {
	case len(hashes) > 1:
		m.Hash, m.Missing = "", fmt.Sprintf("the metrics are of several API servers: they name %d configurations", len(hashes))
	case len(hashes) == 1:
	case families["apiserver_request_total"] == nil && families["apiserver_storage_objects"] == nil && families[reloads] == nil && families[statusTimes] == nil:
		return nil, errors.New("these are not the metrics of a kube-apiserver")
	default:
		m.Missing = "the API server's metrics have no " + lastConfig + ": an older API server, or one that does not reload its EncryptionConfiguration, has none"
	}
	return m, nil
}

// keys reads which key_ids are used. Of the hashes that Status has returned the last one counts.
func (m *Metrics) keys(families map[string]*dto.MetricFamily) {
	m.Current, m.Opened = map[string]string{}, map[string]bool{}
	last := map[string]float64{}
	for _, sample := range families[statusTimes].GetMetric() {
		provider, hash := label(sample, "provider_name"), label(sample, "key_id_hash")
		if at := value(sample); hash != "" && at > last[provider] {
			last[provider], m.Current[provider] = at, hash
		}
	}
	for _, sample := range families[keyIDTotals].GetMetric() {
		if label(sample, "transformation_type") == "from_storage" && value(sample) > 0 {
			m.Opened[label(sample, "key_id_hash")] = true
		}
	}
}

// seconds is a time as a metric has it; zero for none.
func seconds(n float64) time.Time {
	if !(n > 0 && n < math.MaxUint32) {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

func label(sample *dto.Metric, name string) string {
	for _, pair := range sample.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

func value(sample *dto.Metric) float64 {
	return sample.GetCounter().GetValue() + sample.GetGauge().GetValue() + sample.GetUntyped().GetValue()
}
