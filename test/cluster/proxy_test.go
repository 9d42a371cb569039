package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestAProxySpoilsTheNetworkAndHealsIt(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, components.Vault)
	v, err := c.StartVault(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.StartProxy(v.Address(0))
	if err != nil {
		t.Fatal(err)
	}
	client, err := v.Client().CloneWithHeaders()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetAddress(p.URL); err != nil {
		t.Fatal(err)
	}
	ask := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := client.Sys().LeaderWithContext(ctx)
		return err
	}
	healed := func(after string) {
		t.Helper()
		if err := p.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Until(t.Context(), func(context.Context) error { return ask(time.Minute) }); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
	}
	healed("nothing")

	if err := p.Hang(); err != nil {
		t.Fatal(err)
	}
	if err := ask(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it hangs: %v", err)
	}
	healed("a hang")

	if err := p.Delay(300 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if begin := time.Now(); ask(time.Minute) != nil || time.Since(begin) < 300*time.Millisecond {
		t.Errorf("answered within %v", time.Since(begin))
	}
	healed("a delay")

	p.Cut()
	if err := ask(time.Minute); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is cut: %v", err)
	}
	healed("a cut")

	if err := p.Route("https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if ask(time.Minute) == nil {
		t.Error("it answers in the name of a server that does not exist")
	}
	if err := p.Route(v.Address(0)); err != nil {
		t.Fatal(err)
	}
	healed("a detour")
}

func TestAServerCertificateMayHaveEnded(t *testing.T) {
	a, err := cluster.NewAuthority(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	files, err := a.ServerUntil("old", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	config, err := files.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if end := config.Certificates[0].Leaf.NotAfter; !end.Before(time.Now()) {
		t.Errorf("it ends at %v", end)
	}
}

func TestLostKeysComeBackFromBackups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Vault)
	v, err := c.StartVault(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.CreateKey(ctx, "k8s", nil); err != nil {
		t.Fatal(err)
	}
	ciphertext := encrypt(t, v, "k8s")
	snapshot, err := v.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	backup, err := v.BackupKey(ctx, "k8s")
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"move the mount away", func() error { return v.MoveMount(ctx, "transit", "elsewhere") }},
		{"move it back", func() error { return v.MoveMount(ctx, "elsewhere", "transit") }},
		{"delete the key", func() error { return v.DeleteKey(ctx, "k8s") }},
		{"restore the key", func() error { return v.RestoreKey(ctx, "k8s", backup) }},
		{"restore it under another name too", func() error { return v.RestoreKey(ctx, "again", backup) }},
		{"lose the mount", func() error { return v.Unmount(ctx, "transit") }},
		{"restore all of Vault", func() error { return v.RestoreSnapshot(ctx, snapshot) }},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		lost := step.what == "move the mount away" || step.what == "delete the key" || step.what == "lose the mount"
		if exists := keyExists(t, v, "k8s"); exists == lost {
			t.Fatalf("%s: the key exists: %v", step.what, exists)
		}
		if !lost {
			requireDecrypt(t, v, "k8s", ciphertext)
		}
	}
}

func keyExists(t *testing.T, v *cluster.Vault, key string) bool {
	t.Helper()
	secret, err := v.Client().Logical().ReadWithContext(t.Context(), "transit/keys/"+key)
	if answer, ok := errors.AsType[*api.ResponseError](err); ok && answer.StatusCode == http.StatusNotFound {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return secret != nil
}

func TestLoginsCanBeRevokedAndSecretIDsHaveAnEnd(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Vault)
	v, role := startVault(t, c, "k8s")
	login := func() (string, error) {
		id, err := os.ReadFile(role.SecretIDFile)
		if err != nil {
			return "", err
		}
		client, err := v.Client().CloneWithHeaders()
		if err != nil {
			return "", err
		}
		secret, err := client.Logical().WriteWithContext(ctx, "auth/approle/login",
			map[string]any{"role_id": role.RoleID, "secret_id": string(id)})
		if err != nil {
			return "", err
		}
		return secret.Auth.ClientToken, nil
	}
	token, err := login()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.RevokeLogins(ctx, "approle"); err != nil {
		t.Fatal(err)
	}
	client, err := v.Client().Clone()
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(token)
	if _, err := client.Auth().Token().LookupSelfWithContext(ctx); err == nil {
		t.Error("a revoked token is accepted")
	}
	if err := v.SecretIDFor(ctx, role, time.Second); err != nil {
		t.Fatal(err)
	}
	// Vault may accept it for up to a minute more.
	id, err := os.ReadFile(role.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := v.Client().Logical().WriteWithContext(ctx, "auth/approle/role/"+role.Name+"/secret-id/lookup",
		map[string]any{"secret_id": string(id)})
	if err != nil || secret == nil {
		t.Fatalf("look the secret-id up: %v, %v", secret, err)
	}
	if ttl := fmt.Sprint(secret.Data["secret_id_ttl"]); ttl != "1" {
		t.Errorf("the secret-id lives for %s s, want 1", ttl)
	}
}
