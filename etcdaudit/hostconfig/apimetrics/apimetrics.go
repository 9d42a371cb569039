// Package apimetrics reads what the metrics of an API server say of its
// EncryptionConfiguration: which file is in force, and whether a later one was refused.
package apimetrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

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
}

// The names of k8s.io/apiserver v0.37.1, pkg/server/options/encryptionconfig/metrics. The
// reloads of 1.27 and earlier had names without the status as a label.
const (
	lastConfig = "apiserver_encryption_config_controller_last_config_info"
	reloads    = "apiserver_encryption_config_controller_automatic_reloads_total"
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
	switch {
	case len(hashes) > 1:
		m.Hash, m.Missing = "", fmt.Sprintf("the metrics are of several API servers: they name %d configurations", len(hashes))
	case len(hashes) == 1:
	case families["apiserver_request_total"] == nil && families["apiserver_storage_objects"] == nil && families[reloads] == nil:
		return nil, errors.New("these are not the metrics of a kube-apiserver")
	default:
		m.Missing = "the API server's metrics have no " + lastConfig + ": an older API server, or one that does not reload its EncryptionConfiguration, has none"
	}
	return m, nil
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
