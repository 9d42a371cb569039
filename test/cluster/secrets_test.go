package cluster_test

import (
	"bytes"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestReadingBackFindsWhatWasChangedOrLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
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
	if right, err := w.ReadBackAll(ctx, a); right != 5 || err != nil {
		t.Fatalf("ReadBackAll = %d, %v; want 5", right, err)
	}
	if err := cluster.NewSecretWriter().Put(ctx, a, "default", "some-0001"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client().Delete(ctx, cluster.SecretKey("default", "some-0002")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client().Put(ctx, cluster.SecretKey("default", "some-0003"), "garbage"); err != nil {
		t.Fatal(err)
	}
	right, err := w.ReadBackAll(ctx, a)
	if right != 2 || err == nil {
		t.Fatalf("ReadBackAll = %d, %v; want 2 and an error", right, err)
	}
	for _, name := range []string{"some-0001", "some-0002", "some-0003"} {
		if !bytes.Contains([]byte(err.Error()), []byte("default/"+name+": ")) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}
