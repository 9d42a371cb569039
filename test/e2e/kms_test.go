package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/rig"
)

func TestSecretsAreSealedAfterAReloadAndARewrite(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a := must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Etcd: s.etcd}))(t)
	s.create(a, "plain", 20)
	canary := []byte("correct-horse-battery-staple")
	s.check(s.secrets.PutValue(s.ctx, a, namespace, "canary", canary))
	key := cluster.SecretKey(namespace, "canary")
	if kv := must(s.etcd.Get(s.ctx, key, 0))(t); !bytes.Contains(kv.Value, canary) {
		t.Fatal("without encryption the value should be readable in etcd")
	}

	p := s.plugin("a")
	encryption := strings.Replace(rig.Deployed(t, "encryption-configuration.yaml"), "/run/kmsplugin/sealproof.sock", p.Socket(), 1)
	s.check(a.SetEncryptionConfig(s.ctx, encryption))
	must(a.RewriteAll(s.ctx, nil))(t)
	stored := must(s.etcd.SealedSecrets(s.ctx))(t)
	keyID := must(p.KeyID(s.ctx))(t)
	if stored.Other != 0 || stored.KeyIDs[keyID] != s.secrets.Len() {
		t.Fatalf("after the rewrite: %d not sealed, key_ids %v, want all %d under %s", stored.Other, stored.KeyIDs, s.secrets.Len(), keyID)
	}
	if kv := must(s.etcd.Get(s.ctx, key, 0))(t); bytes.Contains(kv.Value, canary) {
		t.Fatal("the value is still readable in etcd")
	}
	s.prove(p, a)
}

func TestARotationIsFollowedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "old", 20)
	old := must(p.KeyID(s.ctx))(t)

	fresh := s.rotate(p)
	if !strings.HasPrefix(old, "v1.") || !strings.HasPrefix(fresh, "v2.") {
		t.Errorf("key_ids %s and %s do not name versions 1 and 2", old, fresh)
	}
	s.check(a.WaitKeyID(s.ctx, fresh)) // the API server's own poll, within a minute
	s.create(a, "new", 20)
	stored := must(s.etcd.SealedSecrets(s.ctx))(t)
	if stored.KeyIDs[old] != 20 || stored.KeyIDs[fresh] != 20 {
		t.Errorf("before the rewrite: %v", stored.KeyIDs)
	}
	must(a.RewriteAll(s.ctx, nil))(t)
	stored = must(s.etcd.SealedSecrets(s.ctx))(t)
	if stored.KeyIDs[old] != 0 || stored.KeyIDs[fresh] != 40 {
		t.Errorf("after the rewrite: %v", stored.KeyIDs)
	}
	s.prove(p, a)
}

func TestAnAPIServerRestartsReadsAndWritesWithoutVault(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "before", 20)
	s.rotate(p)
	s.restart(a)
	s.create(a, "rotated", 20)

	s.check(s.vault.Stop(s.ctx))
	s.restart(a)
	s.readAll(a)
	s.create(a, "during", 20)
	s.restart(a)
	s.readAll(a)

	waitState(s, p, "outage")
	metrics := must(p.Metrics(s.ctx))(t)
	if lease, _ := metrics.Sum("sealproof_lease_remaining_seconds"); lease <= 0 || lease > 24*3600 {
		t.Errorf("lease of %g seconds left", lease)
	}
	if log := must(p.Log())(t); !strings.Contains(log, "Vault does not serve the key") {
		t.Error("the log does not say that Vault is away")
	}
	if status, body, err := p.Get(s.ctx, "/readyz"); err != nil || status != 200 {
		t.Errorf("readyz during the outage: %d %s %v", status, body, err)
	}

	s.check(s.vault.Restart(s.ctx))
	waitState(s, p, "ok")
	s.prove(p, a)
}

func TestAReplicaThatNeverWroteOpensWhatAnotherWritesInTheOutage(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p1, p2 := s.plugin("one"), s.plugin("two")
	a1 := s.apiServer("one", p1)
	s.create(a1, "before", 10)
	// Two replicas compute one key_id, or the API servers would disagree on what
	// is stale.
	if one, two := must(p1.KeyID(s.ctx))(t), must(p2.KeyID(s.ctx))(t); one != two {
		t.Fatalf("key_ids %s and %s", one, two)
	}
	a2 := s.apiServer("two", p2)

	s.check(s.vault.Stop(s.ctx))
	// The second has never written a Secret; now it does, with the seed that it
	// made at its start, and after a restart with a new one.
	s.create(a2, "during", 10)
	s.restart(a2)
	s.create(a2, "restarted", 10)
	if n := s.list(a1); n != s.secrets.Len() {
		t.Errorf("the other lists %d of %d Secrets", n, s.secrets.Len())
	}
	s.restart(a1)
	if n := s.list(a1); n != s.secrets.Len() {
		t.Errorf("restarted, it lists %d of %d Secrets", n, s.secrets.Len())
	}
	s.readAll(a1)

	s.check(s.vault.Restart(s.ctx))
	waitState(s, p1, "ok")
	waitState(s, p2, "ok")
	s.rotate(p1, p2)
	s.prove(p1, a1, a2)
}

func TestAKilledPluginComesBackOverItsStaleSocket(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "before", 10)
	s.check(p.Kill())
	s.create(a, "without", 10) // the API server still holds its seed
	s.restart(p)
	s.check(p.WaitServing(s.ctx))
	s.restart(a)
	s.create(a, "after", 10)
	s.prove(p, a)
}

func TestAPluginThatStartsInAnOutageWaitsAndServesWhenVaultReturns(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "before", 10)
	s.check(s.vault.Stop(s.ctx))
	s.restart(p)
	err := statusError(s, p)
	for _, want := range []string{"Unavailable", "not ready"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Status says %v, want %q", err, want)
		}
	}
	if status, _, err := p.Get(s.ctx, "/livez"); err != nil || status != 200 {
		t.Errorf("livez in an outage: %d, %v", status, err)
	}
	s.check(s.vault.Restart(s.ctx))
	s.check(p.WaitServing(s.ctx))
	s.prove(p, a)
}
