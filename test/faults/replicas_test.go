package faults

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// replicaFaults need several of something: of Vault's nodes, of plugins, or of
// API servers.
func replicaFaults(t *testing.T, results *results) {
	p := newVault(t, results, 3)
	everyNode := map[string]any{"address": p.vault.Addresses()}
	p.local = p.plugin(t, "one", map[string]any{"vault": everyNode})
	p.direct = p.plugin(t, "direct", map[string]any{"vault": everyNode, "envelope": "vault"})
	two := p.plugin(t, "two", map[string]any{"vault": everyNode})
	p.seal(t)
	p.etcd = must(p.c.StartEtcd(p.ctx, 1))(t)
	p.api = p.apiServer(t, "one", p.local)
	idle := p.apiServer(t, "two", two)
	p.write(t, "before", 10)

	p.run(t, &fault{
		name: "outage of two plugins and two API servers, one of which never wrote", how: "three Vault nodes killed",
		inject: func(t *testing.T) { check(t, p.vault.Kill()); p.waitState(t, "outage") },
		heal:   func(t *testing.T) { check(t, p.vault.Restart(p.ctx)) },
		want:   carriesOn(codes.Unavailable),
		during: func(t *testing.T) { p.swap(t, p.api, idle) },
		end:    "both restarted meanwhile: ready, each read all and what the other wrote, both wrote; every Secret read",
	})
	p.killLeader(t)
	p.rotateUnderLoad(t, p.api, idle)
	p.killUnderLoad(t)
	p.prove(t, p.api, idle)
}

// swap has two API servers write and restart during an outage, and read what the
// other wrote.
func (p *plane) swap(t *testing.T, active, idle *cluster.APIServer) {
	t.Helper()
	// It writes with the seed that it made at its start, and after a restart with a new
	// one.
	check(t, p.secrets.Create(p.ctx, idle, namespace, "idle", 5))
	check(t, idle.Restart(p.ctx))
	check(t, p.secrets.Create(p.ctx, idle, namespace, "idle-restarted", 5))
	p.readAll(t, active)
	check(t, active.Restart(p.ctx))
	check(t, p.secrets.Create(p.ctx, active, namespace, "active-restarted", 5))
	for _, a := range []*cluster.APIServer{active, idle} {
		list := must(a.Client().CoreV1().Secrets(namespace).List(p.ctx, metav1.ListOptions{}))(t)
		if len(list.Items) != p.secrets.Len() {
			t.Errorf("%s lists %d of %d Secrets", a.Name(), len(list.Items), p.secrets.Len())
		}
		p.readAll(t, a)
	}
}

// killLeader kills the leader of Vault's nodes. What is asked of Vault meanwhile
// depends on how long the election takes, so that is asked once it is over; what
// a plugin does by itself must not fail for a moment.
func (p *plane) killLeader(t *testing.T) {
	t.Helper()
	var leader *cluster.VaultNode
	f := &fault{
		name: "leader of three Vault nodes killed", how: "SIGKILL; `vault.address` lists all three; asked once another led",
		heal: func(t *testing.T) { check(t, leader.Restart(p.ctx)) },
		want: serves(),
	}
	f.inject = func(t *testing.T) {
		leader = must(p.vault.WaitLeader(p.ctx))(t)
		p.wrap(t, tries)
		l := p.load(seals(p.local), follows(p.local))
		killed := time.Now()
		check(t, leader.Kill())
		p.waitOpens(t)
		f.end = fmt.Sprintf("Vault was back for the plugin %s after; its own work never failed; every Secret read", seconds(time.Since(killed)))
		p.allServed(t, l, 10)
		must(p.vault.WaitLeader(p.ctx))(t)
	}
	p.run(t, f)
}

// writes is load through an API server: one Secret after the other.
func (p *plane) writes(a *cluster.APIServer, prefix string) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		return p.secrets.Put(ctx, a, namespace, fmt.Sprintf("%s-%d", prefix, i%50))
	}
}

// seals is load on a plugin: something sealed and opened again, by a client that
// never repeats a request.
func seals(plugin *cluster.Plugin) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		ctx, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		sealed, err := plugin.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: fmt.Append(nil, i), Uid: "load"})
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		_, err = plugin.KMS().Decrypt(ctx, &kms.DecryptRequest{Uid: "load", KeyId: sealed.GetKeyId(), Ciphertext: sealed.GetCiphertext(), Annotations: sealed.GetAnnotations()})
		if err != nil {
			return fmt.Errorf("decrypt: %w", err)
		}
		return nil
	}
}

// follows is load on Status, which must never name a version that came before.
func follows(plugin *cluster.Plugin) func(context.Context, int) error {
	newest := 0
	return func(ctx context.Context, _ int) error {
		id, err := plugin.KeyID(ctx)
		if err != nil {
			return err
		}
		var version int
		if _, err := fmt.Sscanf(id, "v%d.", &version); err != nil {
			return fmt.Errorf("key_id %s: %w", id, err)
		}
		if version < newest {
			return fmt.Errorf("the key_id went back from version %d to %s", newest, id)
		}
		newest = version
		return nil
	}
}

func (p *plane) rotateUnderLoad(t *testing.T, servers ...*cluster.APIServer) {
	t.Helper()
	before := must(p.local.KeyID(p.ctx))(t)
	p.run(t, &fault{
		name: "rotation under load", how: "`transit/keys/…/rotate` while both API servers write and clients without retries encrypt and decrypt",
		inject: func(t *testing.T) {
			l := p.load(p.writes(servers[0], "load-one"), p.writes(servers[1], "load-two"),
				seals(p.local), seals(p.direct), follows(p.local))
			must(p.vault.Rotate(p.ctx, keyName))(t)
			must(p.local.WaitNewKeyID(p.ctx, before))(t)
			must(p.direct.WaitNewKeyID(p.ctx, before))(t)
			p.allServed(t, l, 100)
		},
		heal: func(*testing.T) {},
		want: serves(),
		end:  "no call failed, no key_id went back; every Secret read",
	})
}

func (p *plane) killUnderLoad(t *testing.T) {
	t.Helper()
	var writes, calls *load
	p.run(t, &fault{
		name: "plugin killed under load", how: "SIGKILL while an API server writes and a client without retries encrypts and decrypts; later started",
		inject: func(t *testing.T) {
			writes, calls = p.load(p.writes(p.api, "killed")), p.load(seals(p.local))
			check(t, p.local.Kill())
		},
		heal: func(t *testing.T) {
			check(t, p.local.Start())
			check(t, p.local.WaitServing(p.ctx))
			p.allServed(t, writes, 1)
			failed := calls.stop()
			for _, err := range failed {
				if status.Code(err) != codes.Unavailable {
					t.Errorf("a client was told %v", err)
				}
			}
			if len(failed) == 0 {
				t.Error("no client noticed")
			}
		},
		want: answers{codes.Unavailable, codes.Unavailable, codes.Unavailable, codes.Unavailable, codes.OK},
		end:  "no write of the API server failed; every Secret read",
	})
}
