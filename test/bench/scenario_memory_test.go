package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
)

// BenchmarkScenarioMemory measures the plugin's resident memory with 100 local
// KEKs and 10,000 directly wrapped sources, and then for as long as SOAK says,
// under calls of every kind.
func BenchmarkScenarioMemory(b *testing.B) {
	const versions, sources, mebi = 100, 10_000, 1 << 20
	soak := duration(b, "SOAK", time.Minute)
	s := newStack(b)
	s.rotate(b, versions)
	seeds := s.directSeeds(b, sources)
	p := s.plugin(b, "memory", nil)
	if err := p.WaitHeld(b.Context(), versions); err != nil {
		b.Fatal(err)
	}
	client := p.KMS()
	for b.Loop() {
		if err := all(64, func(caller int) error { return openEach(client, seeds, caller, 64) }); err != nil {
			b.Fatal(err)
		}
		if got := metric(b, p, "sealproof_held", "kind=opened_seed"); got != sources {
			b.Fatalf("it holds %v of %d sources", got, sources)
		}
		filled := resident(b, p)
		samples := soakFor(b, p, seeds, soak)
		b.ReportMetric(0, "ns/op")
		figure(b, "filled-MiB", record.Figure{What: "resident memory with 100 local KEKs and 10,000 direct sources", Unit: "MiB",
			Value: float64(filled) / mebi})
		figure(b, "most-MiB", record.Figure{What: fmt.Sprintf("resident memory, the most over a soak of %v", soak), Unit: "MiB", Value: highest(samples), Most: bound(40)})
		// The heap breathes with the garbage collector: what the first quarter
		// and the last one use in the middle says whether it grows.
		quarter := len(samples) / 4
		growth := middle(samples[len(samples)-quarter:]) - middle(samples[:quarter])
		figure(b, "growth-MiB", record.Figure{What: fmt.Sprintf("resident memory, growth from the first quarter of the %v to the last", soak), Unit: "MiB", Value: growth, Most: bound(1)})
		keep(b, record.Entry{Series: &record.Series{Name: "resident memory", Unit: "MiB", Points: samples}})
	}
}

// openEach opens every step-th seed from one on.
func openEach(client kms.KeyManagementServiceClient, seeds []stored, from, step int) error {
	for i := from; i < len(seeds); i += step {
		if _, err := client.Decrypt(context.Background(), seeds[i].request); err != nil {
			return err
		}
	}
	return nil
}

// soakFor makes 200 calls a second of every kind, and samples the memory every
// second, in MiB.
func soakFor(b *testing.B, p *cluster.Plugin, seeds []stored, d time.Duration) []record.Point {
	b.Helper()
	client, ctx := p.KMS(), context.Background()
	start := time.Now()
	var samples []record.Point
	tick := time.NewTicker(15 * time.Millisecond) // three calls each
	defer tick.Stop()
	for i := 0; time.Since(start) < d; i++ {
		<-tick.C
		e, err := client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "soak"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := client.Decrypt(ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "soak"}); err != nil {
			b.Fatal(err)
		}
		if _, err := client.Decrypt(ctx, seeds[i*7919%len(seeds)].request); err != nil {
			b.Fatal(err)
		}
		if at := time.Since(start).Seconds(); len(samples) < int(at) {
			if _, err := client.Status(ctx, &kms.StatusRequest{}); err != nil {
				b.Fatal(err)
			}
			samples = append(samples, record.Point{at, float64(resident(b, p)) / (1 << 20)})
		}
	}
	return samples
}

// resident is the plugin's resident memory in bytes, as the kernel counts it.
func resident(b *testing.B, p *cluster.Plugin) int64 {
	b.Helper()
	path := fmt.Sprintf("/proc/%d/status", p.PID())
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Fatalf("%s names no VmRSS", path)
	return 0
}

func heights(samples []record.Point) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = s[1]
	}
	return v
}

func middle(samples []record.Point) float64 { return record.Median(heights(samples)) }

func highest(samples []record.Point) (most float64) {
	for _, v := range heights(samples) {
		most = max(most, v)
	}
	return most
}

// duration reads an environment variable.
func duration(b *testing.B, name string, otherwise time.Duration) time.Duration {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 10*time.Second {
		b.Fatalf("%s=%q: want a duration of 10s or more, such as 10m", name, text)
	}
	return d
}
