package cluster_test

import (
	"net/http"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestEtcdKeepsItsDataOverAStopAndAKill(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if err := e.Member(0).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireValue(t, e, "k", "v")
	if err := e.Member(0).Kill(); err != nil {
		t.Fatal(err)
	}
	if e.Member(0).Running() {
		t.Fatal("a killed member is still running")
	}
	if err := e.Member(0).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireValue(t, e, "k", "v")
}

func TestThreeEtcdMembersServeWithoutOneOfThem(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd)
	e, err := c.StartEtcd(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if err := e.Member(0).Kill(); err != nil {
		t.Fatal(err)
	}
	requireValue(t, e, "k", "v")
	if _, err := e.Client().Put(ctx, "k", "w"); err != nil {
		t.Fatal(err)
	}
	if err := e.Member(0).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireValue(t, e, "k", "w")
	if err := e.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireValue(t, e, "k", "w")
}

func TestEtcdRefusesClientsWithoutACertificateOfItsAuthority(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := cluster.NewAuthority(t.TempDir(), "stranger")
	if err != nil {
		t.Fatal(err)
	}
	files, err := stranger.Client("client")
	if err != nil {
		t.Fatal(err)
	}
	files.CA = e.ClientFiles().CA
	if err := tryEtcd(t, e, files); err == nil {
		t.Error("etcd served a client whose certificate is of another authority")
	}
	if err := tryEtcd(t, e, e.ClientFiles()); err != nil {
		t.Errorf("etcd refused its own client: %v", err)
	}
}

func requireValue(t *testing.T, e *cluster.Etcd, key, want string) {
	t.Helper()
	got, err := e.Client().Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != want {
		t.Fatalf("etcd holds %v under %q, want %q", got.Kvs, key, want)
	}
}

// tryEtcd reads from etcd with the given identity. clientv3 repeats a refused
// handshake until its context ends, so this dials by itself.
func tryEtcd(t *testing.T, e *cluster.Etcd, files cluster.CertFiles) error {
	t.Helper()
	tlsConfig, err := files.TLS()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.Endpoints()[0]+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
