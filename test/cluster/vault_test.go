package cluster_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestVaultKeepsItsKeysOverSealKillAndRestart(t *testing.T) {
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
	if version, err := v.Rotate(ctx, "k8s"); err != nil || version != 2 {
		t.Fatalf("Rotate = %d, %v; want version 2", version, err)
	}

	if err := v.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Client().Logical().ReadWithContext(ctx, "transit/keys/k8s"); err == nil {
		t.Error("a sealed Vault shows a key")
	}
	if err := v.Unseal(ctx); err != nil {
		t.Fatal(err)
	}
	requireDecrypt(t, v, "k8s", ciphertext)

	if err := v.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := v.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireDecrypt(t, v, "k8s", ciphertext)

	if err := v.Node(0).Pause(); err != nil {
		t.Fatal(err)
	}
	if err := v.Restart(ctx); err != nil {
		t.Fatal("a paused Vault could not be stopped and started:", err)
	}
	requireDecrypt(t, v, "k8s", ciphertext)
}

func TestThreeVaultNodesServeWithoutTheirLeader(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Vault)
	v, err := c.StartVault(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.CreateKey(ctx, "k8s", nil); err != nil {
		t.Fatal(err)
	}
	ciphertext := encrypt(t, v, "k8s")
	leader, err := v.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	next, err := v.WaitLeader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if next == leader {
		t.Fatal("the killed node leads")
	}
	requireDecrypt(t, v, "k8s", ciphertext)
	if err := leader.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireDecrypt(t, v, "k8s", ciphertext)
	if err := v.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := v.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	requireDecrypt(t, v, "k8s", ciphertext)
}

func TestAnAppRoleMayUseItsKeyAndNothingElse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := clustertest.New(t, components.Vault)
	v, err := c.StartVault(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"k8s", "other"} {
		if err := v.CreateKey(ctx, key, nil); err != nil {
			t.Fatal(err)
		}
	}
	auditLog, err := v.EnableAudit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	role, err := v.AppRole(ctx, "plugin", cluster.KeyPolicy("k8s"), map[string]any{"token_ttl": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(role.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the secret-id file has mode %o, want 600", info.Mode().Perm())
	}
	secretID, err := os.ReadFile(role.SecretIDFile)
	if err != nil {
		t.Fatal(err)
	}

	client, err := v.Client().CloneWithHeaders()
	if err != nil {
		t.Fatal(err)
	}
	client.ClearToken()
	login, err := client.Logical().WriteWithContext(ctx, "auth/approle/login",
		map[string]any{"role_id": role.RoleID, "secret_id": string(secretID)})
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken(login.Auth.ClientToken)
	input := map[string]any{"plaintext": "c2VlZA==", "input": "c2VlZA=="}
	for path, allowed := range map[string]bool{
		"transit/encrypt/k8s":       true,
		"transit/hmac/k8s/sha2-256": true,
		"transit/encrypt/other":     false,
		"transit/encrypt/new":       false,
		"transit/keys/k8s/rotate":   false,
	} {
		_, err := client.Logical().WriteWithContext(ctx, path, input)
		if allowed && err != nil || !allowed && (err == nil || !strings.Contains(err.Error(), "permission denied")) {
			t.Errorf("writing to %s: allowed=%v is wanted, got error %v", path, allowed, err)
		}
	}
	log, err := os.ReadFile(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "transit/encrypt/k8s") {
		t.Error("Vault's audit log does not show the request")
	}
}

func encrypt(t *testing.T, v *cluster.Vault, key string) string {
	t.Helper()
	secret, err := v.Client().Logical().WriteWithContext(t.Context(), "transit/encrypt/"+key,
		map[string]any{"plaintext": "c2VlZA=="})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Data["ciphertext"].(string)
}

func requireDecrypt(t *testing.T, v *cluster.Vault, key, ciphertext string) {
	t.Helper()
	secret, err := v.Client().Logical().WriteWithContext(t.Context(), "transit/decrypt/"+key,
		map[string]any{"ciphertext": ciphertext})
	if err != nil {
		t.Fatal(err)
	}
	if got := secret.Data["plaintext"]; got != "c2VlZA==" {
		t.Fatalf("Vault decrypts to %v", got)
	}
}
