package vaultbackend

import (
	"slices"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

func TestPoliciesNameWhatEachLoginNeeds(t *testing.T) {
	section := func(change func(*Config)) Config {
		c := DefaultConfig()
		c.Key, c.Auth.RoleID, c.Auth.SecretIDFile = "k", "role", "/secret-id"
		if change != nil {
			change(&c)
		}
		return c
	}
	const (
		keys, encrypt, decrypt, hmac = "transit/keys/k read", "transit/encrypt/k update", "transit/decrypt/k update", "transit/hmac/k/sha2-256 update"
		renew, revoke, lookup        = "auth/token/renew-self update", "auth/token/revoke-self update", "auth/token/lookup-self read"
	)
	for _, row := range []struct {
		name string
		uses []Use
		want [][]string // paths and capabilities, by policy
	}{
		{
			"a key that writes with local KEKs is derived from, sealed with and opened with",
			[]Use{{Section: "vault", Config: section(nil), Seals: true, Derives: true}},
			[][]string{{keys, encrypt, decrypt, hmac, renew, lookup, revoke}},
		},
		{
			"a key that wraps every seed itself needs no HMAC",
			[]Use{{Section: "vault", Config: section(nil), Seals: true}},
			[][]string{{keys, encrypt, decrypt, renew, lookup, revoke}},
		},
		{
			"a key that only opens is not sealed with",
			[]Use{{Section: "previous[0]", Config: section(nil)}},
			[][]string{{keys, decrypt, renew, lookup, revoke}},
		},
		{
			"a token from a file looks itself up",
			[]Use{{Section: "vault", Config: section(func(c *Config) { c.Auth = client.AuthConfig{Method: client.MethodToken, TokenFile: "/token"} })}},
			[][]string{{keys, decrypt, renew, lookup}},
		},
		{
			"sections that log in as one role share its policy",
			[]Use{
				{Section: "vault", Config: section(nil), Seals: true},
				{Section: "previous[0]", Config: section(func(c *Config) { c.Mount = "/old/" })},
				{Section: "previous[1]", Config: section(nil)},
			},
			[][]string{{keys, encrypt, decrypt, renew, lookup, revoke, "old/keys/k read", "old/decrypt/k update"}},
		},
		{
			"another role has a policy of its own",
			[]Use{
				{Section: "vault", Config: section(nil), Seals: true},
				{Section: "previous[0]", Config: section(func(c *Config) { c.Auth.RoleID = "other" })},
			},
			[][]string{{keys, encrypt, decrypt, renew, lookup, revoke}, {keys, decrypt, renew, lookup, revoke}},
		},
		{
			"another Vault has a policy of its own",
			[]Use{
				{Section: "vault", Config: section(func(c *Config) { c.Address = []string{"https://one", "https://two"} }), Seals: true},
				{Section: "previous[0]", Config: section(func(c *Config) { c.Address = []string{"https://other"} })},
			},
			[][]string{{keys, encrypt, decrypt, renew, lookup, revoke}, {keys, decrypt, renew, lookup, revoke}},
		},
		{
			"another certificate is another role",
			[]Use{
				{Section: "vault", Config: section(func(c *Config) { c.Auth, c.ClientCertFile = client.AuthConfig{Method: client.MethodCert}, "/a.crt" })},
				{Section: "previous[0]", Config: section(func(c *Config) { c.Auth, c.ClientCertFile = client.AuthConfig{Method: client.MethodCert}, "/b.crt" })},
			},
			[][]string{{keys, decrypt, renew, lookup, revoke}, {keys, decrypt, renew, lookup, revoke}},
		},
		{
			"paths count from the namespace of the login",
			[]Use{{Section: "vault", Config: section(func(c *Config) { c.Namespace, c.Auth.Namespace = "a/b/c", "a" })}},
			[][]string{{"b/c/transit/keys/k read", "b/c/transit/decrypt/k update", renew, lookup, revoke}},
		},
		{
			"or from the root namespace",
			[]Use{{Section: "vault", Config: section(func(c *Config) { c.Namespace, c.Auth.Namespace = "a", "root" })}},
			[][]string{{"a/transit/keys/k read", "a/transit/decrypt/k update", renew, lookup, revoke}},
		},
		{
			"a login in the key's own namespace needs no prefix",
			[]Use{{Section: "vault", Config: section(func(c *Config) { c.Namespace = "a" })}},
			[][]string{{keys, decrypt, renew, lookup, revoke}},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			policies, err := Policies(row.uses...)
			must(t, err)
			if len(policies) != len(row.want) {
				t.Fatalf("%d policies, want %d", len(policies), len(row.want))
			}
			for i, p := range policies {
				var got []string
				for _, r := range p.Rules {
					got = append(got, r.Path+" "+strings.Join(r.Capabilities, ","))
				}
				slices.Sort(got)
				slices.Sort(row.want[i])
				if !slices.Equal(got, row.want[i]) {
					t.Errorf("policy %d: %q, want %q", i, got, row.want[i])
				}
			}
		})
	}
}

func TestALoginWhoseTokensAreNotValidForTheKeyHasNoPolicy(t *testing.T) {
	for _, row := range []struct{ key, login string }{{"a", "b"}, {"root", "a"}, {"ab", "a"}, {"a", "a/b"}} {
		c := DefaultConfig()
		c.Namespace, c.Auth.Namespace = row.key, row.login
		if _, err := Policies(Use{Section: "previous[1]", Config: c}); err == nil || !strings.Contains(err.Error(), "previous[1].auth.namespace") {
			t.Errorf("key in %s, login in %s: %v", row.key, row.login, err)
		}
	}
}

func TestAPolicySaysWhereItIsWritten(t *testing.T) {
	c := DefaultConfig()
	c.Key, c.Namespace, c.Auth.Namespace = "k", "team/a", "team"
	policies, err := Policies(Use{Section: "vault", Config: c, Seals: true, Derives: true})
	must(t, err)
	text := policies[0].HCL()
	for _, want := range []string{
		"# Write it in namespace team,",
		`path "a/transit/encrypt/k"       { capabilities = ["update"] }`,
		"# Transit would then create", // every line of a remark is one
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
