package cluster

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics is what one /metrics answered: families by name.
type Metrics map[string]*dto.MetricFamily

func parseMetrics(text []byte) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse metrics: %w", err)
	}
	return families, nil
}

// Sum adds up the samples of a counter or gauge (of a histogram or summary:
// the numbers of observations) that carry all the given labels, each written
// "name=value". found is false if there is none.
func (m Metrics) Sum(name string, labels ...string) (sum float64, found bool) {
	for _, sample := range m[name].GetMetric() {
		if hasLabels(sample, labels) {
			sum += value(sample)
			found = true
		}
	}
	return sum, found
}

// Latest returns the value of a label on the highest sample of a family that
// carries all the given labels. Of a family of timestamps that is the most
// recent one. It is empty if there is none.
func (m Metrics) Latest(name, label string, labels ...string) string {
	var latest string
	var highest float64
	for _, sample := range m[name].GetMetric() {
		v := value(sample)
		if v < highest || !hasLabels(sample, labels) {
			continue
		}
		for _, pair := range sample.GetLabel() {
			if pair.GetName() == label {
				latest, highest = pair.GetValue(), v
			}
		}
	}
	return latest
}

func hasLabels(sample *dto.Metric, want []string) bool {
	for _, w := range want {
		name, value, _ := strings.Cut(w, "=")
		found := false
		for _, pair := range sample.GetLabel() {
			found = found || pair.GetName() == name && pair.GetValue() == value
		}
		if !found {
			return false
		}
	}
	return true
}

func value(sample *dto.Metric) float64 {
	switch {
	case sample.Counter != nil:
		return sample.Counter.GetValue()
	case sample.Gauge != nil:
		return sample.Gauge.GetValue()
	case sample.Histogram != nil:
		return float64(sample.Histogram.GetSampleCount())
	case sample.Summary != nil:
		return float64(sample.Summary.GetSampleCount())
	default:
		return sample.Untyped.GetValue()
	}
}

// KeyIDHash is a key_id as kube-apiserver's metrics show it.
func KeyIDHash(keyID string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(keyID))) }
