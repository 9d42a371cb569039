package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
)

// BenchmarkScenarioColdStart counts what a plugin asks of Vault until it serves
// a key with 20 versions, until it holds all of them, and when an API server
// then asks for 1,000 seeds of another plugin at once.
func BenchmarkScenarioColdStart(b *testing.B) {
	const versions, seeds, rounds = 20, 1000, 5
	s := newStack(b)
	s.rotate(b, versions)
	sources := s.bareSeeds(b, seeds)
	audit := s.auditLog(b)
	p, err := s.cluster.StartPlugin(b.Context(), s.startOnly("cold"))
	if err != nil {
		b.Fatal(err)
	}
	client := p.KMS()
	for b.Loop() {
		var toReady, logins, inAll, opened []float64
		for range rounds {
			if err := p.Stop(b.Context()); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if err := p.Start(); err != nil {
				b.Fatal(err)
			}
			ready, err := answering(b.Context(), p, true)
			if err != nil {
				b.Fatal(err)
			}
			if err := p.WaitHeld(b.Context(), versions); err != nil {
				b.Fatal(err)
			}
			held := time.Now()
			first, whole := audit.between(b, start, ready), audit.between(b, start, held)
			if counted := vaultRequests(b, p); counted != float64(whole.total()) {
				b.Errorf("the plugin counts %v requests, Vault's audit log %v", counted, whole)
			}
			if err := all(seeds, func(i int) error {
				_, err := client.Decrypt(context.Background(), sources[i].request)
				return err
			}); err != nil {
				b.Fatal(err)
			}
			more := audit.between(b, held, time.Now())
			b.Logf("until ready: %v; until all is held: %v; for 1,000 sources: %v", first, whole, more)
			login := first["login or renewal"]
			toReady, logins = append(toReady, float64(first.total()-login)), append(logins, float64(login))
			inAll, opened = append(inAll, float64(whole.total())), append(opened, float64(more.total()))
		}
		b.ReportMetric(0, "ns/op")
		figure(b, "requests-to-ready", record.Figure{What: "cold start, key with 20 versions: requests about the key until ready (median of 5 starts)",
			Value: record.Median(toReady), Most: bound(4)})
		figure(b, "logins-to-ready", record.Figure{What: "cold start: requests about the login until ready", Value: record.Median(logins)})
		figure(b, "requests-in-all", record.Figure{What: "cold start: requests until every version is held, the login included", Value: record.Median(inAll)})
		figure(b, "requests-for-1000", record.Figure{What: "1,000 bare Transit sources asked for at once: requests (median of 5)",
			Value: record.Median(opened), Most: bound(8)})
	}
}

// startOnly are options for a plugin that is not waited for.
func (s *stack) startOnly(name string) cluster.PluginOptions {
	o := s.options(name, nil)
	o.VaultAway = true
	return o
}

// answering asks a plugin that has just been started for its Status, again and
// again, and returns when it first answered at all, or when it was first ready.
func answering(ctx context.Context, p *cluster.Plugin, ready bool) (time.Time, error) {
	const pause = 200 * time.Microsecond
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := dial(ctx, p.Socket(), pause)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	client := kms.NewKeyManagementServiceClient(conn)
	for {
		_, err := client.Status(ctx, &kms.StatusRequest{})
		if err == nil || !ready {
			return time.Now(), nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%w; last answer: %w", ctx.Err(), err)
		}
	}
}
