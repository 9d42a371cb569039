// Package clustertest ties a cluster to the test that uses it. It must never
// know what is started in it.
package clustertest

import (
	"cmp"
	"io"
	"log/slog"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
)

// New builds the named programs where they are out of date and returns an
// empty cluster that ends with the test. If the test fails, the logs of all
// processes are kept and the test says where. A process that ended by itself,
// and a data race in a plugin, fail the test.
//
// SEALPROOF_ETCD and SEALPROOF_APISERVER choose other versions of etcd and
// kube-apiserver; naming components.Etcd and components.APIServer is enough.
// Plugins run with the race detector if components.KMSPluginRace is named.
func New(t testing.TB, names ...components.Name) *cluster.Cluster {
	t.Helper()
	return Start(t, Options(t, names...))
}

// Start is New for callers that need the options too, such as the path of a binary.
func Start(t testing.TB, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(opts)
	if err != nil {
		t.Fatalf("make a cluster: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.KeepLogs()
		}
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return c
}

// Options builds the named programs and returns what New gives to the cluster.
func Options(t testing.TB, names ...components.Name) cluster.Options {
	t.Helper()
	var opts cluster.Options
	progress := io.Discard // a benchmark's output is its figures
	if _, ok := t.(*testing.B); !ok {
		progress = t.Output()
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := opts.VersionsFromEnvironment(); err != nil {
		t.Fatal(err)
	}
	var build []components.Name
	for _, name := range names {
		switch name {
		case components.Etcd:
			name = cmp.Or(opts.Etcd, name)
		case components.APIServer:
			name = cmp.Or(opts.APIServer, name)
		case components.KMSPluginRace:
			opts.Plugin = name
		}
		build = append(build, name)
	}
	var err error
	opts.Binaries, err = components.Build(t.Context(), progress, build...)
	if err != nil {
		t.Fatalf("build the components: %v", err)
	}
	return opts
}
