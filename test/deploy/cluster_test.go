package deploy

import (
	"context"
	"log/slog"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

const keyName = "kubernetes" // as in deploy/

// newCluster returns an empty cluster that ends with the test.
func newCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	return clustertest.Start(t, cluster.Options{
		Binaries: binaries(t), Plugin: components.KMSPluginFIPS,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// startVault starts Vault with a key, and a role that has the policy of deploy/.
func startVault(ctx context.Context, t *testing.T, c *cluster.Cluster) (*cluster.Vault, cluster.AppRole) {
	t.Helper()
	vault, err := c.StartVault(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := vault.CreateKey(ctx, keyName, nil); err != nil {
		t.Fatal(err)
	}
	role, err := vault.AppRole(ctx, "kmsplugin", string(read(t, "deploy/vault-policy.hcl")), map[string]any{"token_no_default_policy": true})
	if err != nil {
		t.Fatal(err)
	}
	return vault, role
}
