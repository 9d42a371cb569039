package faults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/test/cluster"
)

// revokedKey measures how long what has been revoked is still used: by the
// plugin, and by the API server, which has a memory of its own. It takes as long
// as that: the API server goes on for up to three minutes
// (kmsv2PluginWriteDEKSourceMaxTTL in k8s.io/apiserver).
func revokedKey(t *testing.T, results *results) {
	const interval = 5 * time.Second
	p := newVault(t, results, 1)
	p.local = p.plugin(t, "local", map[string]any{
		"probe-interval": interval.String(), "probe-interval-failing": interval.String(), "promotion-delay": "15s",
	})
	p.direct = p.local
	p.seal(t)
	p.etcd = must(p.c.StartEtcd(p.ctx, 1))(t)
	p.api = p.apiServer(t, "a", p.local)
	p.write(t, "before", 10)
	policy := must(p.vault.Client().Sys().GetPolicyWithContext(p.ctx, p.role.Name))(t)

	f := &fault{
		name: "key revoked for good", how: "the key's lines taken out of the policy until the API server no longer wrote; `probe-interval: 5s`",
		heal: func(t *testing.T) { check(t, p.vault.PutPolicy(p.ctx, p.role.Name, policy)) },
		want: fails(codes.PermissionDenied),
		// By then the API server refuses to.
		sealsNothing: true,
	}
	f.inject = func(t *testing.T) {
		revoked := time.Now()
		check(t, p.vault.PutPolicy(p.ctx, p.role.Name, cluster.TokenPolicy))
		p.waitStatus(t, codes.PermissionDenied)
		used := time.Since(revoked)
		// Two probes must have met the refusal, and no more may be needed. They are
		// counted, since how long they take depends on the machine: a third would
		// come an interval after the second. The first request that is refused ends
		// a probe.
		met, _ := must(p.local.Metrics(p.ctx))(t).Sum("sealproof_vault_requests_total", "result=refusal")
		if met != 2 {
			t.Errorf("the plugin used the key until %g probes had met the refusal, want 2", met)
		}
		// Twice what two probes need, and less than two would at the default
		// interval of 30 s.
		if most := 5 * interval; used > most {
			t.Errorf("the plugin used the key for %v more, want at most %v", used, most)
		}
		p.writeWhileAccepted(t)
		f.end = fmt.Sprintf("the plugin used the key for %s more, the API server wrote for %s and read on; every Secret read",
			seconds(used), seconds(time.Since(revoked)))
	}
	p.run(t, f)
	p.prove(t, p.api)
}

// writeWhileAccepted writes and reads through an API server until it refuses to
// write. That it goes on reading is asserted.
func (p *plane) writeWhileAccepted(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(limit / 2); ; {
		if p.secrets.Put(p.ctx, p.api, namespace, "still") != nil {
			break
		}
		select {
		case <-end:
			t.Fatalf("the API server still writes after %v", limit/2)
		case <-tick.C:
		}
	}
	p.readAll(t, p.api)
}

// leaseOver lets an outage last longer than local keys may be used. A minute is
// the shortest lease there is.
func leaseOver(t *testing.T, results *results) {
	p := newVault(t, results, 1)
	const lease = time.Minute
	p.local = p.plugin(t, "local", map[string]any{"local-kek": map[string]any{"lease": lease.String()}})
	p.direct = p.local
	p.seal(t)
	p.run(t, &fault{
		name: "lease over", how: "toxiproxy refuses connections for longer than `local-kek.lease: 1m`",
		inject: func(t *testing.T) {
			// The lease counts from the start of the last good probe, and one that
			// begins after this moment is waited for.
			began := time.Now()
			check(t, cluster.Until(p.ctx, func(ctx context.Context) error { return probedSince(ctx, p.local, began) }))
			p.proxy.Cut()
			p.waitState(t, "outage")
			check(t, p.local.WaitServing(p.ctx))
			p.waitStatus(t, codes.Unavailable)
			if took := time.Since(began); took < lease {
				t.Errorf("the lease of %v ended after %v", lease, took)
			}
		},
		heal: func(t *testing.T) { check(t, p.proxy.Heal(p.ctx)) },
		want: fails(codes.Unavailable),
		says: []string{"the lease of the local key has ended", "Vault has not confirmed it for"},
		end:  "served until the lease ended, and again later without a restart",
	})
}

// probedSince reports whether a probe that began after a moment was good.
func probedSince(ctx context.Context, p *cluster.Plugin, moment time.Time) error {
	// The plugin counts back from when it answers, which is later than this.
	asked := time.Now()
	m, err := p.Metrics(ctx)
	if err != nil {
		return err
	}
	ago, _ := m.Sum("sealproof_last_good_probe_seconds")
	if age := time.Duration(ago * float64(time.Second)); age < 0 || age > asked.Sub(moment) {
		return fmt.Errorf("the last good probe of %s was %v ago", p.Name(), age)
	}
	return nil
}
