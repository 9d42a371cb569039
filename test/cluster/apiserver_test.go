package cluster_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestAnAPIServerWithoutEncryptionLeavesSecretsReadableInEtcd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e, Audit: true})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a value that must show up")
	w := cluster.NewSecretWriter()
	if err := w.PutValue(ctx, a, "default", "known", secret); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(ctx, a, "default", "some", 20); err != nil {
		t.Fatal(err)
	}
	kv, err := e.Get(ctx, cluster.SecretKey("default", "known"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(kv.Value, secret) {
		t.Error("the Secret's value cannot be seen in etcd")
	}

	if n, err := a.RewriteAll(ctx, nil); err != nil || n != 21 {
		t.Errorf("RewriteAll = %d, %v; want 21 Secrets", n, err)
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := a.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireAll(t, w, a)
	sealed, err := e.SealedSecrets(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if sealed.Other != 21 || len(sealed.KeyIDs) != 0 {
		t.Errorf("etcd holds %+v, want 21 plaintext Secrets", sealed)
	}
	if m, err := a.Metrics(ctx); err != nil {
		t.Error(err)
	} else if n, found := m.Sum("apiserver_request_total", "resource=secrets", "verb=GET"); !found || n != 21 {
		t.Errorf("the API server's metrics count %g GETs of Secrets, want 21", n)
	}
}

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
	requireAll(t, w, a)

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

func TestTwoAPIServersShareOneEtcd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := cluster.NewSecretWriter()
	var servers []*cluster.APIServer
	for _, name := range []string{"a", "b"} {
		a, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Name: name, Etcd: e})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Create(ctx, a, "default", "by-"+name, 3); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, a)
	}
	for _, a := range servers {
		requireAll(t, w, a)
	}
}

func requireAll(t *testing.T, w *cluster.SecretWriter, a *cluster.APIServer) {
	t.Helper()
	right, err := w.ReadBackAll(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if right != w.Len() {
		t.Fatalf("%d Secrets were read back, %d were written", right, w.Len())
	}
}

func TestAWriteWhoseOutcomeIsUnknownMayBeFoundOrNot(t *testing.T) {
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
	if err := w.Create(ctx, a, "default", "some", 2); err != nil {
		t.Fatal(err)
	}
	if err := e.Member(0).Pause(); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, name := range []string{"some-0000", "new"} {
		if err := w.Put(short, a, "default", name); err == nil {
			t.Errorf("a write to %s succeeds without etcd", name)
		}
	}
	if err := e.Member(0).Resume(); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	right, err := w.ReadBackAll(ctx, a)
	if err != nil || right < 2 {
		t.Errorf("ReadBackAll = %d, %v; want both Secrets, with the old value or the new", right, err)
	}
	if w.Len() != 2 {
		t.Errorf("%d Secrets count as written, want the 2 whose writes succeeded", w.Len())
	}
}
