package bench

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sealproof/sealproof/test/bench/record"
)

// BenchmarkScenarioStart measures from exec to the first answer of Status while
// no process listens at Vault's address, and to the first good one with Vault up.
func BenchmarkScenarioStart(b *testing.B) {
	const starts = 50
	s := newStack(b)
	for _, c := range []struct {
		name   string
		config map[string]any
		ready  bool
		limit  time.Duration
	}{
		{"start to an answer of Status, Vault down", map[string]any{"vault": map[string]any{"address": "https://127.0.0.1:1"}}, false, 50 * time.Millisecond},
		{"start to ready, Vault up", nil, true, 250 * time.Millisecond},
	} {
		o := s.startOnly("start")
		o.Config = c.config
		p, err := s.cluster.StartPlugin(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			times := pair{group: "start", subjectName: c.name, limits: []record.Limit{{At: .5, Time: c.limit}, {At: .99, Time: c.limit}}}
			for b.Loop() {
				for range starts {
					if err := p.Stop(b.Context()); err != nil {
						b.Fatal(err)
					}
					begin := time.Now()
					if err := p.Start(); err != nil {
						b.Fatal(err)
					}
					at, err := answering(b.Context(), p, c.ready)
					if err != nil {
						b.Fatal(err)
					}
					times.subject = append(times.subject, at.Sub(begin))
				}
			}
			times.report(b)
		})
		if err := p.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// dial connects as soon as the plugin accepts. gRPC's own attempts would be seconds
// apart.
func dial(ctx context.Context, socket string, pause time.Duration) (*grpc.ClientConn, error) {
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "unix", socket)
		if err == nil {
			_ = c.Close()
			return grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}
