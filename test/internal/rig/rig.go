// Package rig holds what the tests of whole control planes have in common. It
// must never know what is tested.
package rig

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// Programs returns what builds the programs of a control plane, and others by
// name, once for all tests of a run. Plugins run with the race detector. The
// environment chooses versions, as clustertest.New says.
func Programs(others ...components.Name) func() (cluster.Options, error) {
	return sync.OnceValues(func() (cluster.Options, error) {
		opts := cluster.Options{Plugin: components.KMSPluginRace}
		if err := opts.VersionsFromEnvironment(); err != nil {
			return opts, err
		}
		var err error
		opts.Binaries, err = components.Build(context.Background(), os.Stderr, append([]components.Name{
			cmp.Or(opts.Etcd, components.Etcd), cmp.Or(opts.APIServer, components.APIServer),
			components.Vault, components.KMSPluginRace,
		}, others...)...)
		return opts, err
	})
}

// Start returns an empty cluster of these programs, which ends with the test,
// and the options that it was made with.
func Start(t testing.TB, programs func() (cluster.Options, error)) (*cluster.Cluster, cluster.Options) {
	t.Helper()
	opts := testkit.Must(programs())(t)
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return clustertest.Start(t, opts), opts
}

// StartVault starts Vault with a key, and a role that has the policy of deploy/.
func StartVault(ctx context.Context, t testing.TB, c *cluster.Cluster, nodes int, key string) (*cluster.Vault, cluster.AppRole) {
	t.Helper()
	v := testkit.Must(c.StartVault(ctx, nodes))(t)
	testkit.Check(t, v.CreateKey(ctx, key, nil))
	return v, testkit.Must(v.AppRole(ctx, "kmsplugin", Deployed(t, "vault-policy.hcl"), nil))(t)
}

// Deployed returns a file of deploy/ as it is shipped, to a test in a directory
// of test/.
func Deployed(t testing.TB, name string) string {
	t.Helper()
	return string(testkit.Must(os.ReadFile(filepath.Join("../../deploy", name)))(t)) //nolint:gosec // named by a test
}
