package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealproof/sealproof/test/bench/atrest"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// BenchmarkScenarioKeyUsage measures a register of keys over everything that a cluster has, against
// scanning each part of it alone: whole processes, which hash what they read.
func BenchmarkScenarioKeyUsage(b *testing.B) {
	program := testkit.Must(components.Build(b.Context(), b.Output(), components.ETCDAudit))(b).Path(components.ETCDAudit)
	files := atRest(b, atrest.Options{Secrets: 100_000, Rewritten: true})
	data := testkit.Must(os.ReadFile(files.Database))(b)
	all := []string{files.Database}
	for i := range 3 {
		copied := filepath.Join(b.TempDir(), fmt.Sprintf("snapshot-%d.db", i))
		testkit.Check(b, os.WriteFile(copied, data, 0o600))
		all = append(all, copied)
	}
	var peak int64
	p := &pair{
		subjectName: "etcdaudit key-usage over live values, history and three snapshots of 100,000 Secrets", floorName: "etcdaudit scan of each alone, together",
		limits: []record.Limit{{At: .5, Ratio: 1.05}},
	}
	p.measure(b, rounds,
		func() error {
			for _, file := range all {
				if _, _, err := ran(b.Context(), program, "scan", file); err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			_, most, err := ran(b.Context(), program, append([]string{"key-usage"}, all...)...)
			peak = max(peak, most)
			return err
		})
	figure(b, "peak-MiB", record.Figure{
		What: "etcdaudit key-usage over live values, history and three snapshots of 100,000 Secrets: resident memory, the most", Unit: "MiB",
		Value: float64(peak) / (1 << 20), Most: bound(float64(96<<20+48*files.Live+256) / (1 << 20)),
	})
}
