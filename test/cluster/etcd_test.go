package cluster_test

import (
	"net/http"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

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
