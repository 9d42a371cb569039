package vaultbackend

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestValidateNamesTheKeyAndWhatToDo(t *testing.T) {
	good := DefaultConfig()
	good.Address, good.Key = "https://vault.example.com:8200", "k8s"
	good.Auth.RoleID, good.Auth.SecretIDFile = "role", "/etc/secret-id"
	if err := good.Validate(); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	for _, row := range []struct {
		name   string
		change func(*Config)
		want   string // "" if it is good
	}{
		{"no address", func(c *Config) { c.Address = "" }, "vault.address: give Vault's URL"},
		{"an address without a scheme", func(c *Config) { c.Address = "vault:8200" }, "vault.address: "},
		{"an address without a host", func(c *Config) { c.Address = "https://" }, "vault.address: "},
		{"plain http to another host", func(c *Config) { c.Address = "http://vault:8200" }, "in the clear"},
		{"plain http to an agent on this host", func(c *Config) { c.Address = "http://127.0.0.1:8100" }, ""},
		{"a password in the address", func(c *Config) { c.Address = "https://me:hunter2@vault" }, "must not contain a user"},
		{"a query in the address", func(c *Config) { c.Address = "https://vault?x=y" }, "a query"},
		{"an unknown scheme", func(c *Config) { c.Address = "unix:///run/vault" }, "vault.address: "},
		{"no key", func(c *Config) { c.Key = "" }, "vault.key: name the Transit key"},
		{"a key that leaves its place", func(c *Config) { c.Key = "../sys/seal" }, "vault.key: "},
		{"a key that ends in a dot", func(c *Config) { c.Key = "k8s." }, "vault.key: "},
		{"no mount", func(c *Config) { c.Mount = "/" }, "vault.mount: name the path"},
		{"a mount that leaves its place", func(c *Config) { c.Mount = "a/../sys" }, "vault.mount: "},
		{"a mount with slashes around it", func(c *Config) { c.Mount = "/team/transit/" }, ""},
		{"a namespace with a query", func(c *Config) { c.Namespace = "a?b" }, "vault.namespace: "},
		{"an auth namespace with a newline", func(c *Config) { c.Auth.Namespace = "a\nb" }, "vault.auth.namespace: "},
		{"an unknown method", func(c *Config) { c.Auth.Method = "ldap" }, `vault.auth.method: "ldap" is neither approle nor token`},
		{"no role-id", func(c *Config) { c.Auth.RoleID = "" }, "vault.auth.role-id: give"},
		{"two role-ids", func(c *Config) { c.Auth.RoleIDFile = "/f" }, "vault.auth.role-id: set either"},
		{"no secret-id", func(c *Config) { c.Auth.SecretIDFile = "" }, "vault.auth.secret-id-file: name the file"},
		{"a token file for AppRole", func(c *Config) { c.Auth.TokenFile = "/f" }, "vault.auth.token-file: has no meaning"},
		{"a token file", func(c *Config) { c.Auth = AuthConfig{Method: MethodToken, TokenFile: "/f"} }, ""},
		{"no token file", func(c *Config) { c.Auth = AuthConfig{Method: MethodToken} }, "vault.auth.token-file: name the file"},
		{"a role-id for a token", func(c *Config) { c.Auth.Method, c.Auth.TokenFile = MethodToken, "/f" }, "vault.auth: role-id"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := good
			row.change(&cfg)
			err := cfg.Validate()
			if row.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want a mention of %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is shown: %v", err)
			}
			if _, err := New(cfg, nil, nil, nil); err == nil {
				t.Error("New accepts it")
			}
		})
	}
}

func TestOneMountHasOneName(t *testing.T) {
	for _, row := range []struct{ namespace, mount, authNamespace, want, wantAuth string }{
		{"", "transit", "", "transit", ""},
		{"/", "/transit/", "", "transit", ""},
		{"root", "transit", "", "transit", ""},
		{"a/b/", "kms/transit", "", "a/b/kms/transit", "a/b"},
		{"/a/", "transit", "root", "a/transit", ""},
		{"a", "transit", "b/", "a/transit", "b"},
	} {
		cfg := Config{Namespace: row.namespace, Mount: row.mount, Auth: AuthConfig{Namespace: row.authNamespace}}.canonical()
		if cfg.keyMount() != row.want || cfg.Auth.Namespace != row.wantAuth {
			t.Errorf("%+v: mount %q, auth namespace %q", row, cfg.keyMount(), cfg.Auth.Namespace)
		}
	}
}

func TestNewRefusesAUselessCAFile(t *testing.T) {
	empty := t.TempDir() + "/ca.pem"
	must(t, os.WriteFile(empty, []byte("no certificate"), 0o600))
	cfg := DefaultConfig()
	cfg.Address, cfg.Key = "https://vault", "k"
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = "r", "/s"
	for file, want := range map[string]string{empty: "holds no PEM certificate", "/nonexistent/ca": "no such file"} {
		cfg.CAFile = file
		_, err := New(cfg, nil, func() time.Duration { return 0 }, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "vault.ca-file: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
