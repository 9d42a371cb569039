package cluster_test

import (
	"net/http"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestEtcdRefusesClientsWithoutACertificateOfItsAuthority(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd)
	e := testkit.Must(c.StartEtcd(ctx, 1))(t)
	stranger := testkit.Must(cluster.NewAuthority(t.TempDir(), "stranger"))(t)
	files := testkit.Must(stranger.Client("client"))(t)
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
	tlsConfig := testkit.Must(files.TLS())(t)
	transport := &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}
	req := testkit.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, e.Endpoints()[0]+"/version", nil))(t)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
