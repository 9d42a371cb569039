package vaultbackend

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

func TestValidateNamesTheKeyAndWhatToDo(t *testing.T) {
	good := DefaultConfig()
	good.Address, good.Key = []string{"https://vault.example.com:8200"}, "k8s"
	good.Auth.RoleID, good.Auth.SecretIDFile = "role", "/etc/secret-id"
	if err := good.Validate(); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	for _, row := range []struct {
		name   string
		change func(*Config)
		want   string // "" if it is good
	}{
		{"no address", func(c *Config) { c.Address = nil }, "vault.address: give Vault's URL"},
		{"an empty address", func(c *Config) { c.Address = []string{""} }, "vault.address: is empty"},
		{"a bad address among good ones", func(c *Config) { c.Address = append(c.Address, "vault-2") }, `vault.address: "vault-2"`},
		{"an address twice", func(c *Config) { c.Address = []string{"https://vault:8200", "https://vault:8200/"} }, "vault.address: https://vault:8200 is listed twice"},
		{"three addresses", func(c *Config) { c.Address = []string{"https://a", "https://b", "https://c"} }, ""},
		{"a client certificate without its key", func(c *Config) { c.ClientCertFile = "/f" }, "vault.client-cert-file: set both"},
		{"a key without its client certificate", func(c *Config) { c.ClientKeyFile = "/f" }, "vault.client-cert-file: set both"},
		{"a client certificate beside AppRole", func(c *Config) { c.ClientCertFile, c.ClientKeyFile = "/c", "/k" }, ""},
		{"an address without a scheme", func(c *Config) { c.Address = []string{"vault:8200"} }, "vault.address: "},
		{"an address without a host", func(c *Config) { c.Address = []string{"https://"} }, "vault.address: "},
		{"plain http to another host", func(c *Config) { c.Address = []string{"http://vault:8200"} }, "in the clear"},
		{"plain http to an agent on this host", func(c *Config) { c.Address = []string{"http://127.0.0.1:8100"} }, ""},
		{"a password in the address", func(c *Config) { c.Address = []string{"https://me:hunter2@vault"} }, "must not contain a user"},
		{"a query in the address", func(c *Config) { c.Address = []string{"https://vault?x=y"} }, "a query"},
		{"an unknown scheme", func(c *Config) { c.Address = []string{"unix:///run/vault"} }, "vault.address: "},
		{"no key", func(c *Config) { c.Key = "" }, "vault.key: name the Transit key"},
		{"a key that leaves its place", func(c *Config) { c.Key = "../sys/seal" }, "vault.key: "},
		{"a key that ends in a dot", func(c *Config) { c.Key = "k8s." }, "vault.key: "},
		{"no mount", func(c *Config) { c.Mount = "/" }, "vault.mount: name the path"},
		{"a mount that leaves its place", func(c *Config) { c.Mount = "a/../sys" }, "vault.mount: "},
		{"a mount with slashes around it", func(c *Config) { c.Mount = "/team/transit/" }, ""},
		{"a namespace with a query", func(c *Config) { c.Namespace = "a?b" }, "vault.namespace: "},
		{"an auth namespace with a newline", func(c *Config) { c.Auth.Namespace = "a\nb" }, "vault.auth.namespace: "},
		{"an unknown method", func(c *Config) { c.Auth.Method = "ldap" }, `vault.auth.method: "ldap" is none of approle, cert, jwt, kubernetes, token`},
		{"no role-id", func(c *Config) { c.Auth.RoleID = "" }, "vault.auth.role-id: give"},
		{"two role-ids", func(c *Config) { c.Auth.RoleIDFile = "/f" }, "vault.auth.role-id: set either"},
		{"no secret-id", func(c *Config) { c.Auth.SecretIDFile = "" }, "vault.auth.secret-id-file: name the file"},
		{"a token file", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: "/f"} }, ""},
		{"no token file", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodToken} }, "vault.auth.token-file: name the file"},
		{"a mount for a token", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: "/f", Mount: "m"} }, "vault.auth.mount: has no meaning"},
		{"a role that AppRole ignores", func(c *Config) { c.Auth.Role = "r" }, "vault.auth.role: has no meaning"},
		{"a wrapped secret-id of an unknown role", func(c *Config) { c.Auth.UnwrappedSecretIDFile = "/u" }, "vault.auth.role: name the AppRole"},
		{"a wrapped secret-id over its own token", func(c *Config) { c.Auth.Role, c.Auth.UnwrappedSecretIDFile = "r", "/etc/secret-id" }, "vault.auth.unwrapped-secret-id-file: must be another file"},
		{"a wrapped secret-id", func(c *Config) { c.Auth.Role, c.Auth.UnwrappedSecretIDFile = "r", "/u" }, ""},
		{"a role that leaves its place", func(c *Config) { c.Auth.Role, c.Auth.UnwrappedSecretIDFile = "../r", "/u" }, "vault.auth.role: \"../r\""},
		{"Kubernetes", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodKubernetes, Role: "r"} }, ""},
		{"Kubernetes without a role", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodKubernetes} }, "vault.auth.role: name the role"},
		{"a JWT", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodJWT, JWTFile: "/j"} }, ""},
		{"no JWT", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodJWT, Role: "r"} }, "vault.auth.jwt-file: name the file"},
		{"a certificate", func(c *Config) {
			c.ClientCertFile, c.ClientKeyFile, c.Auth = "/c", "/k", client.AuthConfig{Method: client.MethodCert}
		}, ""},
		{"no certificate", func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodCert} }, "vault.client-cert-file: name the certificate"},
		{"a certificate over plain http", func(c *Config) {
			c.Address = []string{"http://127.0.0.1:8100"}
			c.ClientCertFile, c.ClientKeyFile, c.Auth = "/c", "/k", client.AuthConfig{Method: client.MethodCert}
		}, "vault.auth.method: cert needs https"},
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
		{"a", "transit", "/", "a/transit", ""},
		{"root", "transit", "b", "transit", "b"},
	} {
		cfg := Config{Mount: row.mount, Config: client.Config{Namespace: row.namespace, Auth: client.AuthConfig{Namespace: row.authNamespace}}}.canonical()
		if cfg.keyMount() != row.want || cfg.LoginNamespace() != row.wantAuth {
			t.Errorf("%+v: mount %q, auth namespace %q", row, cfg.keyMount(), cfg.LoginNamespace())
		}
		// doctor starts from a configuration that is canonical already.
		if again := cfg.canonical(); !reflect.DeepEqual(again, cfg) {
			t.Errorf("%+v: %+v becomes %+v", row, cfg, again)
		}
	}
}

func TestNewRefusesAUselessCAFile(t *testing.T) {
	empty := t.TempDir() + "/ca.pem"
	must(t, os.WriteFile(empty, []byte("no certificate"), 0o600))
	cfg := DefaultConfig()
	cfg.Address, cfg.Key = []string{"https://vault"}, "k"
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = "r", "/s"
	for file, want := range map[string]string{empty: "holds no PEM certificate", "/nonexistent/ca": "no such file"} {
		cfg.CAFile = file
		_, err := New(cfg, nil, func() time.Duration { return 0 }, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "vault.ca-file: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestWhatIsSetInVainIsMeantForAnotherMethod tries every setting with every method.
func TestWhatIsSetInVainIsMeantForAnotherMethod(t *testing.T) {
	settings := map[string]struct {
		set  func(*client.AuthConfig)
		with []string
	}{
		"role-id":                  {func(a *client.AuthConfig) { a.RoleID = "x" }, []string{client.MethodAppRole}},
		"role-id-file":             {func(a *client.AuthConfig) { a.RoleIDFile = "/x" }, []string{client.MethodAppRole}},
		"secret-id-file":           {func(a *client.AuthConfig) { a.SecretIDFile = "/x" }, []string{client.MethodAppRole}},
		"unwrapped-secret-id-file": {func(a *client.AuthConfig) { a.UnwrappedSecretIDFile = "/x" }, []string{client.MethodAppRole}},
		"role":                     {func(a *client.AuthConfig) { a.Role = "x" }, []string{client.MethodAppRole, client.MethodCert, client.MethodJWT, client.MethodKubernetes}},
		"jwt-file":                 {func(a *client.AuthConfig) { a.JWTFile = "/x" }, []string{client.MethodJWT, client.MethodKubernetes}},
		"token-file":               {func(a *client.AuthConfig) { a.TokenFile = "/x" }, []string{client.MethodToken}},
	}
	for name, s := range settings {
		for _, method := range client.Methods() {
			c := DefaultConfig()
			c.Address, c.Key, c.Auth = []string{"https://vault"}, "k", client.AuthConfig{Method: method}
			s.set(&c.Auth)
			refused := strings.Contains(fmt.Sprint(c.Validate()), "vault.auth."+name+": has no meaning for auth.method "+method+"\n") ||
				strings.HasSuffix(fmt.Sprint(c.Validate()), "vault.auth."+name+": has no meaning for auth.method "+method)
			if refused == slices.Contains(s.with, method) {
				t.Errorf("%s with %s: refused %v", name, method, refused)
			}
		}
	}
}
