package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

func TestWhatVaultWillNotServeIsSaidInStatus(t *testing.T) {
	t.Parallel()
	s := newVaultStack(t)
	s.check(s.vault.CreateKey(s.ctx, "rsa", map[string]any{"type": "rsa-2048"}))
	s.check(s.vault.CreateKey(s.ctx, "derived", map[string]any{"derived": true}))
	without := func(path string) cluster.AppRole {
		var lines []string
		for line := range strings.Lines(policy(t)) {
			if !strings.Contains(line, path) {
				lines = append(lines, line)
			}
		}
		name := "no-" + strings.ReplaceAll(path, "/", "-")
		return must(s.vault.AppRole(s.ctx, name, strings.Join(lines, ""), nil))(t)
	}
	wide := must(s.vault.AppRole(s.ctx, "wide", `path "transit/*" { capabilities = ["read", "update"] }`, nil))(t)

	for name, tc := range map[string]struct {
		change func(*cluster.PluginOptions)
		code   codes.Code
		want   []string
	}{
		"the secret-id file is missing": {func(o *cluster.PluginOptions) { o.Role.SecretIDFile = "/nonexistent/secret-id" },
			codes.Unauthenticated, []string{"secret-id file"}},
		"the role does not exist": {func(o *cluster.PluginOptions) { o.Role.RoleID = "11111111-2222-3333-4444-555555555555" },
			codes.Unauthenticated, []string{"does not know the role-id"}},
		"the key does not exist": {func(o *cluster.PluginOptions) { o.Key, o.Role = "missing", wide },
			codes.PermissionDenied, []string{"missing", "not found"}},
		"the key is of a type that cannot serve": {func(o *cluster.PluginOptions) { o.Key, o.Role = "rsa", wide },
			codes.FailedPrecondition, []string{"rsa-2048", "aes256-gcm96"}},
		"the key needs a context": {func(o *cluster.PluginOptions) { o.Key, o.Role = "derived", wide },
			codes.FailedPrecondition, []string{"derived"}},
		"the policy lacks read on the key": {func(o *cluster.PluginOptions) { o.Role = without("transit/keys") },
			codes.PermissionDenied, []string{"transit/keys/" + keyName}},
		"the policy lacks encrypt": {func(o *cluster.PluginOptions) { o.Role = without("transit/encrypt") },
			codes.PermissionDenied, []string{"encrypt"}},
		"the policy lacks decrypt": {func(o *cluster.PluginOptions) { o.Role = without("transit/decrypt") },
			codes.PermissionDenied, []string{"decrypt"}},
		"the policy lacks hmac": {func(o *cluster.PluginOptions) { o.Role = without("transit/hmac") },
			codes.PermissionDenied, []string{"hmac"}},
		"the Transit mount does not exist": {func(o *cluster.PluginOptions) {
			o.Config["vault"] = map[string]any{"mount": "elsewhere"}
			o.Role = must(s.vault.AppRole(s.ctx, "elsewhere", `path "elsewhere/*" { capabilities = ["read", "update"] }`, nil))(t)
		}, codes.Unavailable, []string{"elsewhere"}},
		"Vault's certificate is of another authority": {func(o *cluster.PluginOptions) {
			o.Config["vault"] = map[string]any{"ca-file": must(s.c.KubernetesAuthority())(t).CAFile()}
		}, codes.Unavailable, []string{"certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := s.options("a", nil)
			opts.VaultAway = true
			tc.change(&opts)
			p := must(s.c.StartPlugin(s.ctx, opts))(t)
			err := waitStatus(s, p, tc.code)
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Status says %q, which does not name %q", err, want)
				}
			}
			if code, _, err := p.Get(s.ctx, "/livez"); err != nil || code != 200 {
				t.Errorf("livez: %d, %v", code, err)
			}
			if code, body, err := p.Get(s.ctx, "/readyz"); err != nil || code != 503 || !strings.Contains(body, tc.want[0]) {
				t.Errorf("readyz: %d %q, %v", code, body, err)
			}
			s.check(p.Stop(s.ctx))
		})
	}
}

func TestWrongRequestsGetTheRightCode(t *testing.T) {
	t.Parallel()
	s := newVaultStack(t)
	p := s.plugin("a")
	other := must(s.c.StartPlugin(s.ctx, func() cluster.PluginOptions {
		o := s.options("other", nil)
		o.Cluster = "another-cluster"
		return o
	}()))(t)
	seal := func(p *cluster.Plugin) *kms.DecryptRequest {
		e := must(p.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: bytes.Repeat([]byte{7}, 32), Uid: "uid"}))(t)
		return &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "uid"}
	}
	if d, err := p.KMS().Decrypt(s.ctx, seal(p)); err != nil || !bytes.Equal(d.Plaintext, bytes.Repeat([]byte{7}, 32)) {
		t.Fatalf("an unchanged request: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*kms.DecryptRequest)
		code   codes.Code
	}{
		"a flipped bit":            {func(r *kms.DecryptRequest) { r.Ciphertext[40] ^= 1 }, codes.InvalidArgument},
		"a wrong key_id":           {func(r *kms.DecryptRequest) { r.KeyId = "v1.00000000000000000000000000000000" }, codes.InvalidArgument},
		"a changed wrapped key":    {func(r *kms.DecryptRequest) { r.Annotations["kek.sealproof"][40] ^= 1 }, codes.InvalidArgument},
		"a changed cluster":        {func(r *kms.DecryptRequest) { r.Annotations["cluster.sealproof"] = []byte("tesu") }, codes.FailedPrecondition},
		"another cluster's":        {func(r *kms.DecryptRequest) { *r = *seal(other) }, codes.FailedPrecondition},
		"another cluster's as own": {func(r *kms.DecryptRequest) { *r = *seal(other); r.Annotations["cluster.sealproof"] = []byte("test") }, codes.InvalidArgument},
		"an empty ciphertext":      {func(r *kms.DecryptRequest) { r.Ciphertext = nil }, codes.InvalidArgument},
		"a key version to come":    {func(r *kms.DecryptRequest) { r.Ciphertext, r.Annotations = []byte("vault:v9:AAAA"), nil }, codes.InvalidArgument},
		"a malformed Transit text": {func(r *kms.DecryptRequest) { r.Ciphertext, r.Annotations = []byte("vault:v1:!"), nil }, codes.InvalidArgument},
		"an oversized ciphertext":  {func(r *kms.DecryptRequest) { r.Ciphertext = make([]byte, 1025) }, codes.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			r := seal(p)
			tc.change(r)
			if _, err := p.KMS().Decrypt(s.ctx, r); status.Code(err) != tc.code {
				t.Errorf("got %v, want %v", err, tc.code)
			}
		})
	}
	for name, plaintext := range map[string][]byte{"empty": nil, "oversized": make([]byte, 513)} {
		if _, err := p.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: plaintext}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s plaintext: %v", name, err)
		}
	}
	if _, err := p.KMS().Decrypt(s.ctx, seal(p)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAPluginThatCannotStartSaysWhyAndWithWhichStatus(t *testing.T) {
	t.Parallel()
	s := newVaultStack(t)
	p := s.plugin("a")
	taken := filepath.Join(s.c.Dir(), "taken")
	s.check(os.WriteFile(taken, []byte("precious"), 0o600))
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"the socket's path is a regular file": {[]string{"--config", p.ConfigFile(), "--socket-path", taken}, 1, "regular file"},
		"another plugin serves the socket":    {[]string{"--config", p.ConfigFile()}, 1, "served by a process"},
		"its directory is missing":            {[]string{"--config", p.ConfigFile(), "--socket-path", "/nonexistent/kms.sock"}, 1, "directory"},
		"there is no configuration":           {nil, 3, "cluster: is required"},
		"the configuration is missing":        {[]string{"--config", "/nonexistent.yaml"}, 3, "/nonexistent.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(s.ctx, s.pluginBinary, append([]string{"serve"}, tc.args...)...)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); err == nil || code != tc.status || !strings.Contains(string(out), tc.want) {
				t.Errorf("exit status %d, %v: %s", code, err, out)
			}
			if n := bytes.Count(bytes.TrimSpace(out), []byte("\n")); tc.status == 1 && n > 0 {
				t.Errorf("more than one line: %s", out)
			}
		})
	}
	if text := must(os.ReadFile(taken))(t); string(text) != "precious" {
		t.Error("the file in the socket's place was touched")
	}
	if _, err := p.KeyID(s.ctx); err != nil {
		t.Errorf("the plugin that served before: %v", err)
	}
}
