package cluster_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestAnAPIServerFollowsItsConfigurationAndItsPlugin(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.Vault, components.APIServer, components.KMSPluginRace)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	v, role := startVault(t, c, "k8s")
	p, err := c.StartPlugin(ctx, cluster.PluginOptions{
		Vault: v, Role: role, Key: "k8s",
		Config: map[string]any{"promotion-delay": "6s", "probe-interval": "1s", "probe-interval-failing": "1s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	keyID, err := p.KeyID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e})
	if err != nil {
		t.Fatal(err)
	}
	w := cluster.NewSecretWriter()
	if err := w.Create(ctx, a, "default", "some", 5); err != nil {
		t.Fatal(err)
	}

	encrypted, err := cluster.EncryptSecrets(p.Provider("sealproof"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetEncryptionConfig(ctx, encrypted); err != nil {
		t.Fatal(err)
	}
	requireSealed(t, e, 5, nil)
	rewriteAll(t, a, 5)
	requireSealed(t, e, 0, map[string]int{keyID: 5})

	if _, err := v.Rotate(ctx, "k8s"); err != nil {
		t.Fatal(err)
	}
	next, err := p.WaitNewKeyID(ctx, keyID)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.WaitKeyID(ctx, next); err != nil {
		t.Fatal(err)
	}
	if err := w.Put(ctx, a, "default", "new"); err != nil {
		t.Fatal(err)
	}
	requireSealed(t, e, 0, map[string]int{keyID: 5, next: 1})
	rewriteAll(t, a, 6)
	requireSealed(t, e, 0, map[string]int{next: 6})

	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitServing(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireAll(t, w, a)
	if m, err := p.Metrics(ctx); err != nil || len(m) == 0 {
		t.Errorf("the plugin has %d metrics, %v", len(m), err)
	}
}

func TestAPluginStartsWhileVaultIsAwayAndServesOnceItIsBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Vault, components.KMSPluginRace)
	v, role := startVault(t, c, "k8s")
	if err := v.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := c.StartPlugin(ctx, cluster.PluginOptions{
		Vault: v, Role: role, Key: "k8s", VaultAway: true,
		Config: map[string]any{"probe-interval-failing": "1s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.KeyID(ctx); err == nil {
		t.Error("a plugin that has never reached Vault names a key_id")
	}
	if err := v.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitServing(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestAPluginThatRefusesItsConfigurationIsReported(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, components.KMSPluginRace)
	_, err := c.StartPlugin(t.Context(), cluster.PluginOptions{Config: map[string]any{"no-such-key": 1}})
	if err == nil || !strings.Contains(err.Error(), "no-such-key") {
		t.Errorf("StartPlugin = %v, want the plugin's own words about the key", err)
	}
}

// startVault starts Vault with a key and a role that may use it.
func startVault(t *testing.T, c *cluster.Cluster, key string) (*cluster.Vault, cluster.AppRole) {
	t.Helper()
	v, err := c.StartVault(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.CreateKey(t.Context(), key, nil); err != nil {
		t.Fatal(err)
	}
	role, err := v.AppRole(t.Context(), "plugin", cluster.KeyPolicy(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	return v, role
}

func rewriteAll(t *testing.T, a *cluster.APIServer, want int) {
	t.Helper()
	calls := 0
	n, err := a.RewriteAll(t.Context(), func(int, int) { calls++ })
	if err != nil || n != want || calls != want {
		t.Fatalf("RewriteAll = %d, %v with %d calls; want %d", n, err, calls, want)
	}
}

func requireSealed(t *testing.T, e *cluster.Etcd, other int, keyIDs map[string]int) {
	t.Helper()
	sealed, err := e.SealedSecrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sealed.Other != other || !maps.Equal(sealed.KeyIDs, keyIDs) {
		t.Fatalf("etcd holds %d plaintext Secrets and these key_ids: %v; want %d and %v",
			sealed.Other, sealed.KeyIDs, other, keyIDs)
	}
}
