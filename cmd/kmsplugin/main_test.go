package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/test/testkit"
	"github.com/sealproof/sealproof/vaultbackend"
)

// run executes the command line and returns its exit status and output.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	root := newRoot()
	var out, errs bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	status = cli.Main(root, 1)
	return status, out.String(), errs.String()
}

const minimal = `cluster: prod-eu-1
vault:
  address: https://vault.example.com:8200
  key: k8s
  auth: {role-id: role, secret-id-file: /etc/kmsplugin/secret-id}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	testkit.Check(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestConfigPrintsWhatServeWouldRunWith(t *testing.T) {
	t.Setenv("KMSPLUGIN_PROMOTION_DELAY", "10m")
	status, out, errs := run(t, "config", "--config", write(t, minimal), "--vault-mount", "kubernetes/transit")
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	var tree map[string]any
	testkit.Check(t, yaml.Unmarshal([]byte(out), &tree))
	vault := tree["vault"].(map[string]any)
	if tree["promotion-delay"] != "10m0s" || vault["mount"] != "kubernetes/transit" || vault["key"] != "k8s" {
		t.Errorf("got\n%s", out)
	}
	// What is printed must itself be a configuration.
	if status, again, errs := run(t, "config", "--config", write(t, out)); status != 0 || again != out {
		t.Errorf("the output is no configuration: %d %s", status, errs)
	}
}

func TestAPreviousKeyIsWhereTheWritingOneIsButForWhatIsSaid(t *testing.T) {
	status, out, errs := run(t, "config", "--config", write(t, minimal+`
previous:
- key: old
- mount: elsewhere
  auth: {method: token, token-file: /run/token}
`))
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	var tree struct {
		Previous []vaultbackend.Config
	}
	var raw map[string]any
	testkit.Check(t, yaml.Unmarshal([]byte(out), &raw))
	for i, element := range raw["previous"].([]any) {
		tree.Previous = append(tree.Previous, vaultbackend.Config{})
		testkit.Check(t, cli.Overlay(&tree.Previous[i], "previous", element.(map[string]any)))
	}
	one, two := tree.Previous[0], tree.Previous[1]
	if one.Key != "old" || one.Mount != "transit" || one.Auth.RoleID != "role" || one.KeyPath() != "transit/old" {
		t.Errorf("the first is %+v", one)
	}
	if two.Key != "k8s" || two.Mount != "elsewhere" || two.Auth.RoleID != "" || two.Auth.TokenFile != "/run/token" {
		t.Errorf("the second is %+v", two)
	}
}

func TestThePreviousKeysVaultIsNotTakenForTheWritingOnes(t *testing.T) {
	status, out, errs := run(t, "config", "--config", write(t, strings.Replace(minimal, "https://vault.example.com:8200", "[https://one:8200, https://two:8200]", 1)+`
previous:
- address: https://old:8200
`))
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	var tree struct {
		Vault    struct{ Address []string }
		Previous []struct{ Address []string }
	}
	testkit.Check(t, yaml.Unmarshal([]byte(out), &tree))
	if want := []string{"https://one:8200", "https://two:8200"}; !slices.Equal(tree.Vault.Address, want) {
		t.Errorf("the key that writes is at %q, not %q", tree.Vault.Address, want)
	}
	if want := []string{"https://old:8200"}; !slices.Equal(tree.Previous[0].Address, want) {
		t.Errorf("the previous key is at %q, not %q", tree.Previous[0].Address, want)
	}
}

func TestTheExampleInDeployIsValid(t *testing.T) {
	if status, out, errs := run(t, "config", "--config", "../../deploy/kmsplugin.yaml"); status != 0 || !strings.Contains(out, "prod-eu-1") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

func TestWrongCallsAreRefusedWithTheKeyAndTheReason(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		yaml string
		want []string
	}{
		"no configuration":          {args: []string{"serve"}, want: []string{"no file was named", "cluster: is required", "vault.address", "vault.key"}},
		"no cluster identity":       {yaml: strings.Replace(minimal, "cluster: prod-eu-1", "", 1), want: []string{"cluster: is required"}},
		"a cluster with spaces":     {yaml: strings.Replace(minimal, "prod-eu-1", "prod eu", 1), want: []string{"cluster:", "lower-case"}},
		"an unknown key":            {yaml: minimal + "promotion-dely: 3m\n", want: []string{"unknown key promotion-dely"}},
		"a delay below the probes":  {args: []string{"--promotion-delay", "30s"}, yaml: minimal, want: []string{"promotion-delay", "three times probe-interval"}},
		"an unknown envelope":       {args: []string{"--envelope", "none"}, yaml: minimal, want: []string{"envelope", "local"}},
		"a lease of nothing":        {args: []string{"--local-kek-lease", "0s"}, yaml: minimal, want: []string{"local-kek.lease"}},
		"health on every address":   {args: []string{"--listen", "0.0.0.0:8085"}, yaml: minimal, want: []string{"listen", "loopback"}},
		"half a certificate":        {args: []string{"--listen-tls-cert-file", "/c"}, yaml: minimal, want: []string{"listen-tls", "together"}},
		"an unknown place to keep":  {args: []string{"--local-kek-keep", "disk"}, yaml: minimal, want: []string{"local-kek.keep", "systemd"}},
		"an unknown previous key":   {yaml: minimal + "previous: [{kee: old}]\n", want: []string{"previous[0]", "kee"}},
		"a previous key of no name": {yaml: minimal + "previous: [{key: \"\"}]\n", want: []string{"previous[0]", "vault.key"}},
		"previous keys of one word": {yaml: minimal + "previous: old\n", want: []string{"previous"}},
		"an abstract socket":        {args: []string{"--socket-path", "@kms"}, yaml: minimal, want: []string{"socket.path"}},
		"an unknown log level":      {args: []string{"--log-level", "loud"}, yaml: minimal, want: []string{"log-level"}},
		"an unknown auth method":    {args: []string{"--vault-auth-method", "guess"}, yaml: minimal, want: []string{"vault.auth.method"}},
		"a missing file":            {args: []string{"serve", "--config", "/nonexistent.yaml"}, want: []string{"/nonexistent.yaml"}},
		"an unknown flag":           {args: []string{"serve", "--token", "s.abc"}, want: []string{"unknown flag: --token"}},
		"an unknown command":        {args: []string{"server"}, want: []string{"unknown command"}},
		"an argument too many":      {args: []string{"serve", "now"}, want: []string{"unknown command"}},
		"an unknown output":         {args: []string{"--output", "xml"}, yaml: minimal, want: []string{"--output xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := tc.args
			if tc.yaml != "" {
				args = append([]string{"config", "--config", write(t, tc.yaml)}, args...)
			}
			status, _, errs := run(t, args...)
			if status != cli.StatusUsage {
				t.Errorf("exit status %d, want %d", status, cli.StatusUsage)
			}
			for _, want := range tc.want {
				if !strings.Contains(errs, want) {
					t.Errorf("%q does not say %q", errs, want)
				}
			}
		})
	}
}

func TestNoFlagTakesASecret(t *testing.T) {
	serve := newServe()
	for _, word := range []string{"token", "secret", "password"} {
		flag := serve.Flags().Lookup("vault-auth-" + word)
		if flag != nil {
			t.Errorf("--%s would put a secret where every process can read it", flag.Name)
		}
	}
}

// The plugin is the smallest trusted thing on the control plane: what it links is
// part of what an operator has to trust.
func TestThePluginLinksNoHeavyClient(t *testing.T) {
	out := testkit.Must(exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output())(t)
	linked := strings.Fields(string(out))
	if len(linked) < 100 {
		t.Fatalf("go list names %d packages only", len(linked))
	}
	for _, pkg := range linked {
		for _, banned := range []string{"k8s.io/client-go", "k8s.io/apimachinery", "k8s.io/apiserver", "go.etcd.io/", "github.com/sealproof/sealproof/etcdaudit"} {
			if strings.HasPrefix(pkg, banned) {
				t.Errorf("links %s", pkg)
			}
		}
	}
}
