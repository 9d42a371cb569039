package cluster_test

import (
	"bytes"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestReadingBackFindsWhatWasChangedOrLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e := testkit.Must(c.StartEtcd(ctx, 1))(t)
	a := testkit.Must(c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e}))(t)
	w := cluster.NewSecretWriter()
	testkit.Check(t, w.Create(ctx, a, "default", "some", 5))
	if right, err := w.ReadBackAll(ctx, a); right != 5 || err != nil {
		t.Fatalf("ReadBackAll = %d, %v; want 5", right, err)
	}
	testkit.Check(t, cluster.NewSecretWriter().Put(ctx, a, "default", "some-0001"))
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
