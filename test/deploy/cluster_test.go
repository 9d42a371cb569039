package deploy

import (
	"context"
	"log/slog"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
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
	vault := testkit.Must(c.StartVault(ctx, 1))(t)
	testkit.Check(t, vault.CreateKey(ctx, keyName, nil))
	role := testkit.Must(vault.AppRole(ctx, "kmsplugin", string(read(t, "deploy/vault-policy.hcl")), map[string]any{"token_no_default_policy": true}))(t)
	return vault, role
}
