package faults

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
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
		name: "key revoked for good", how: "policy deleted until the API server no longer wrote; `probe-interval: 5s`",
		heal: func(t *testing.T) { check(t, p.vault.PutPolicy(p.ctx, p.role.Name, policy)) },
		want: fails(codes.PermissionDenied),
		// By then the API server refuses to.
		sealsNothing: true,
	}
	f.inject = func(t *testing.T) {
		revoked := time.Now()
		check(t, p.vault.Client().Sys().DeletePolicyWithContext(p.ctx, p.role.Name))
		p.waitStatus(t, codes.PermissionDenied)
		used := time.Since(revoked)
		// A tenth is what intervals are spread over.
		if most := 2*interval*11/10 + time.Second; used > most {
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
	p.local = p.plugin(t, "local", map[string]any{"local-kek": map[string]any{"lease": "1m"}})
	p.direct = p.local
	p.seal(t)
	p.run(t, &fault{
		name: "lease over", how: "toxiproxy refuses connections for longer than `local-kek.lease: 1m`",
		inject: func(t *testing.T) {
			p.proxy.Cut()
			began := time.Now()
			p.waitState(t, "outage")
			check(t, p.local.WaitServing(p.ctx))
			p.waitStatus(t, codes.Unavailable)
			// It counts from the start of the last good probe.
			if took := time.Since(began); took < 55*time.Second {
				t.Errorf("the lease of a minute ended after %v", took)
			}
		},
		heal: func(t *testing.T) { check(t, p.proxy.Heal(p.ctx)) },
		want: fails(codes.Unavailable),
		says: []string{"the lease of the local key has ended", "Vault has not confirmed it for"},
		end:  "served until the lease was over, and again without a restart",
	})
}
