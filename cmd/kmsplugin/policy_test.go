package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestTheShippedPolicyIsThatOfTheShippedConfiguration(t *testing.T) {
	status, out, errs := run(t, "policy", "--config", "../../deploy/kmsplugin.yaml")
	if status != 0 {
		t.Fatal(errs)
	}
	shipped := testkit.Must(os.ReadFile("../../deploy/vault-policy.hcl"))(t)
	if string(shipped) != out {
		t.Errorf("deploy/vault-policy.hcl differs; write into it what this prints: go run ./cmd/kmsplugin policy --config deploy/kmsplugin.yaml\n%s", out)
	}
}

// lab is a real Vault with one key, for plugins that may do exactly what they
// are allowed: Vault's own "default" policy is not theirs.
type lab struct {
	*testing.T
	ctx   context.Context
	c     *cluster.Cluster
	vault *cluster.Vault
	n     int
}

const labKey = "kubernetes"

// newLab starts one. Its tests wait more than they compute, so they run beside
// each other.
func newLab(t *testing.T) *lab {
	t.Parallel()
	c := clustertest.New(t, components.Vault, components.KMSPluginRace)
	l := &lab{T: t, ctx: t.Context(), c: c}
	var err error
	l.vault, err = c.StartVault(l.ctx, 1)
	l.check(err)
	l.check(l.vault.CreateKey(l.ctx, labKey, nil))
	return l
}

func (l *lab) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// printed is the policy that the command prints for an AppRole login; the
// plugins of the lab have this configuration.
func (l *lab) printed(args ...string) string {
	l.Helper()
	file := filepath.Join(l.TempDir(), "config.yaml")
	l.check(os.WriteFile(file, []byte(minimal), 0o600))
	status, out, errs := run(l.T, append([]string{"policy", "--config", file, "--vault-key", labKey}, args...)...)
	if status != 0 {
		l.Fatal(errs)
	}
	return out
}

// without removes the line of one path.
func without(policy, path string) string {
	var kept strings.Builder
	for line := range strings.Lines(policy) {
		if !strings.HasPrefix(line, `path "`+path+`"`) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func (l *lab) role(policy string) cluster.AppRole {
	l.Helper()
	l.n++
	role, err := l.vault.AppRole(l.ctx, fmt.Sprintf("role-%d", l.n), policy, map[string]any{
		"token_no_default_policy": true,
		"token_ttl":               "3s", // renewed after two
	})
	l.check(err)
	return role
}

// start starts a plugin that may not be able to serve.
func (l *lab) start(role cluster.AppRole, changes map[string]any) *cluster.Plugin {
	l.Helper()
	config := map[string]any{"probe-interval": "500ms", "probe-interval-failing": "500ms"}
	for k, v := range changes {
		config[k] = v
	}
	p, err := l.c.StartPlugin(l.ctx, cluster.PluginOptions{Vault: l.vault, Role: role, Key: labKey, Config: config, VaultAway: true})
	l.check(err)
	return p
}

// complains waits until Status fails in words that name what is missing.
func (l *lab) complains(p *cluster.Plugin, want string) {
	l.Helper()
	l.check(p.Until(l.ctx, "say what is missing", func(ctx context.Context) error {
		_, err := p.KMS().Status(ctx, &kms.StatusRequest{})
		if err == nil {
			return cluster.Hopeless(errors.New("the plugin serves"))
		}
		if !strings.Contains(err.Error(), want) {
			return fmt.Errorf("%w: it does not say %q", err, want)
		}
		return nil
	}))
}

// renewals waits until the token's renewal ended so, as the metrics say it.
func (l *lab) renewals(p *cluster.Plugin, result string) {
	l.Helper()
	l.check(p.Until(l.ctx, "renew its token", func(ctx context.Context) error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return err
		}
		if _, ok := m.Sum("sealproof_vault_requests_total", "operation=renew", "result="+result); !ok {
			return fmt.Errorf("no renewal ended with %q yet", result)
		}
		return nil
	}))
}

// logged checks that a plugin which has ended said so.
func (l *lab) logged(p *cluster.Plugin, want string) {
	l.Helper()
	text, err := p.Log()
	l.check(err)
	if !strings.Contains(text, want) {
		l.Errorf("its log does not say %q", want)
	}
}

// seal has a seed sealed, and returns what the API server would store.
func (l *lab) seal(p *cluster.Plugin) *kms.DecryptRequest {
	l.Helper()
	e, err := p.KMS().Encrypt(l.ctx, &kms.EncryptRequest{Plaintext: bytes.Repeat([]byte{7}, 32), Uid: "seal"})
	l.check(err)
	return &kms.DecryptRequest{Ciphertext: e.GetCiphertext(), KeyId: e.GetKeyId(), Annotations: e.GetAnnotations(), Uid: "open"}
}

func (l *lab) open(p *cluster.Plugin, r *kms.DecryptRequest) {
	l.Helper()
	d, err := p.KMS().Decrypt(l.ctx, r)
	l.check(err)
	if !bytes.Equal(d.GetPlaintext(), bytes.Repeat([]byte{7}, 32)) {
		l.Error("another plaintext than was sealed")
	}
}

func TestThePrintedPolicySuffices(t *testing.T) {
	l := newLab(t)
	var stored []*kms.DecryptRequest
	local := l.start(l.role(l.printed()), nil)
	l.check(local.WaitServing(l.ctx))
	stored = append(stored, l.seal(local))
	wraps := l.start(l.role(l.printed("--envelope", "vault")), map[string]any{"envelope": "vault"})
	l.check(wraps.WaitServing(l.ctx))
	stored = append(stored, l.seal(wraps))
	l.renewals(local, "ok")
	l.renewals(wraps, "ok")

	// With a new version, and a minimum that keeps the old one's local KEK from
	// being derived: what it sealed opens through its annotation only.
	_, err := l.vault.Rotate(l.ctx, labKey)
	l.check(err)
	l.check(l.vault.ConfigureKey(l.ctx, labKey, map[string]any{"min_encryption_version": 2}))
	for _, p := range []*cluster.Plugin{local, wraps} {
		l.check(p.Restart(l.ctx))
		l.check(p.WaitServing(l.ctx))
		for _, r := range append(stored, l.seal(p)) {
			l.open(p, r)
		}
		l.check(p.Stop(l.ctx))
		l.logged(p, "revoked the Vault token")
	}
}

func TestEveryLineOfThePrintedPolicyIsNeeded(t *testing.T) {
	l := newLab(t)
	policy := l.printed()
	fails := map[string]string{ // by path, in the words of Status
		"transit/keys/" + labKey:               "read transit/keys/" + labKey,
		"transit/encrypt/" + labKey:            "encrypt",
		"transit/decrypt/" + labKey:            "decrypt",
		"transit/hmac/" + labKey + "/sha2-256": "hmac",
		"auth/token/renew-self":                "", // not Status: the renewal
		"auth/token/lookup-self":               "", // the risk
		"auth/token/revoke-self":               "", // nor this: the token's end
	}
	for line := range strings.Lines(policy) {
		rest, isRule := strings.CutPrefix(line, `path "`)
		if !isRule {
			continue
		}
		path, capabilities, _ := strings.Cut(rest, `"`)
		// One capability a path: removing the path removes the capability.
		if strings.Contains(capabilities, ",") {
			t.Errorf("%s has several capabilities", path)
		}
		want, known := fails[path]
		if !known {
			t.Errorf("nothing says what %s is for", path)
		}
		delete(fails, path)
		p := l.start(l.role(without(policy, path)), nil)
		switch {
		case want != "":
			l.complains(p, want)
		case strings.Contains(path, "renew"):
			l.check(p.WaitServing(l.ctx))
			l.renewals(p, "credentials")
		case strings.Contains(path, "lookup"):
			l.check(p.WaitServing(l.ctx))
			l.check(cluster.Until(l.ctx, func(context.Context) error {
				_, out, _ := run(t, "status", "--config", p.ConfigFile())
				if !strings.Contains(out, "RISK revocation_not_recognised") {
					return fmt.Errorf("no risk is named: %s", out)
				}
				return nil
			}))
		default:
			l.check(p.WaitServing(l.ctx))
			l.check(p.Stop(l.ctx))
			l.logged(p, "the Vault token was not revoked")
		}
		l.check(p.Stop(l.ctx))
	}
	if len(fails) > 0 {
		t.Errorf("not in the policy: %v", fails)
	}
}

func TestTheLineThatATokenFileAddsIsNeeded(t *testing.T) {
	l := newLab(t)
	const path = "auth/token/lookup-self"
	policy := l.printed("--vault-auth-method", "token", "--vault-auth-token-file", "/token", "--vault-auth-role-id", "", "--vault-auth-secret-id-file", "")
	if !strings.Contains(policy, path) {
		t.Fatalf("not in the policy:\n%s", policy)
	}
	plugin := func(policy string) *cluster.Plugin {
		return l.start(cluster.AppRole{}, map[string]any{"vault": map[string]any{"auth": map[string]any{
			"method": "token", "token-file": l.token(policy), "role-id": nil, "secret-id-file": nil,
		}}})
	}
	p := plugin(policy)
	l.check(p.WaitServing(l.ctx))
	l.open(p, l.seal(p))
	l.complains(plugin(without(policy, path)), "may not look itself up")
}

// A key that only decrypts: the policy of the role that both share lets it be
// probed and opened with, and each of its two lines is needed for that.
func TestTheLinesOfAPreviousKeyAreNeededAndSuffice(t *testing.T) {
	l := newLab(t)
	const old = "old"
	l.check(l.vault.CreateKey(l.ctx, old, nil))
	before := l.start(l.role(strings.ReplaceAll(l.printed("--envelope", "vault"), labKey, old)), map[string]any{
		"vault": map[string]any{"key": old}, "envelope": "vault", // so that opening it asks Vault
	})
	l.check(before.WaitServing(l.ctx))
	stored := l.seal(before)
	l.check(before.Stop(l.ctx))

	config := map[string]any{"previous": []any{map[string]any{"key": old}}}
	probe := l.start(l.role(l.printed()), config)
	status, policy, errs := run(t, "policy", "--config", probe.ConfigFile())
	if status != 0 {
		t.Fatal(errs)
	}
	l.check(probe.Stop(l.ctx))
	if strings.Contains(policy, "encrypt/"+old) || strings.Contains(policy, "hmac/"+old) {
		t.Errorf("more than decryption is allowed with the previous key:\n%s", policy)
	}
	p := l.start(l.role(policy), config)
	l.check(p.WaitServing(l.ctx))
	l.open(p, stored)
	l.check(p.Stop(l.ctx))

	for _, path := range []string{"transit/keys/" + old, "transit/decrypt/" + old} {
		p := l.start(l.role(without(policy, path)), config)
		l.check(p.WaitServing(l.ctx)) // the key that writes is not concerned
		l.check(cluster.Until(l.ctx, func(ctx context.Context) error {
			_, out, _ := run(t, "status", "--config", p.ConfigFile())
			if !strings.Contains(out, "refusal") {
				return fmt.Errorf("without %s nothing is refused: %s", path, out)
			}
			return nil
		}))
		l.check(p.Stop(l.ctx))
	}
}

// token makes a token with a policy and without Vault's own "default".
func (l *lab) token(policy string) (file string) {
	l.Helper()
	l.n++
	name := fmt.Sprintf("token-%d", l.n)
	l.check(l.vault.PutPolicy(l.ctx, name, policy))
	secret, err := l.vault.Client().Logical().WriteWithContext(l.ctx, "auth/token/create-orphan",
		map[string]any{"policies": []string{name}, "no_default_policy": true, "ttl": "1h"})
	l.check(err)
	file = filepath.Join(l.TempDir(), name)
	l.check(os.WriteFile(file, []byte(secret.Auth.ClientToken), 0o600))
	return file
}
