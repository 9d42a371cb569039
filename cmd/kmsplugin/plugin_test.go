package main

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/test/testkit"
)

// Without its Vault's addresses a key could not be told from one of the same path
// in another Vault, and would be given what was kept of that one.
func TestASourceSaysWhichKeyInWhichVaultItIs(t *testing.T) {
	c := defaultConfig()
	c.Vault.Address, c.Vault.Key = []string{"https://one:8200/", "https://two:8200"}, "k8s"
	c.Vault.Auth.RoleID, c.Vault.Auth.SecretIDFile = "role", "/run/secret-id"
	c.Previous = []map[string]any{{"address": "https://old:8200"}}
	p := &plugin{config: c, log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() {
		if err := p.closeVaults(); err != nil {
			t.Error(err)
		}
	})
	sources := testkit.Must(p.connect(kmsplugin.NewMetrics(prometheus.NewRegistry())))(t)
	for i, want := range []kmsplugin.Source{
		{Name: "vault", Path: "transit/k8s", Addresses: []string{"https://one:8200", "https://two:8200"}},
		{Name: "previous[0]", Path: "transit/k8s", Addresses: []string{"https://old:8200"}},
	} {
		if s := sources[i]; s.Name != want.Name || s.Path != want.Path || !slices.Equal(s.Addresses, want.Addresses) {
			t.Errorf("source %d is %s, %s at %q, want %s, %s at %q", i, s.Name, s.Path, s.Addresses, want.Name, want.Path, want.Addresses)
		}
	}
}
