package bench

import (
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/bench/record"
)

// recordFile, if set in the environment, is the file to which every figure is
// appended for docs/performance.md.
const recordFile = "SEALPROOF_BENCH_RECORD"

func keep(b *testing.B, e record.Entry) {
	b.Helper()
	for _, section := range []string{"Live", "Offline"} { // those that the page shows by themselves
		if strings.HasPrefix(b.Name(), "BenchmarkScenario"+section) {
			e.Section = strings.ToLower(section)
		}
	}
	path := os.Getenv(recordFile)
	if path == "" {
		return
	}
	if err := record.Append(path, e); err != nil {
		b.Fatal(err)
	}
}

// figure reports a number, as metric in the output of the benchmark.
func figure(b *testing.B, metric string, f record.Figure) {
	b.Helper()
	b.ReportMetric(f.Value, metric)
	keep(b, record.Entry{Figure: &f})
}

// bound is what a figure must keep to.
func bound(v float64) *float64 { return &v }
