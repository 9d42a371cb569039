// Package e2e runs the product between real kube-apiservers, a real Vault and a
// real etcd, and ends every test by reading every Secret back. It must never
// look inside the product: what it knows, it asks as a user or an API server
// would.
package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
)

const (
	keyName      = "kubernetes"
	providerName = "sealproof"
	namespace    = "default"
)

// stack is one control plane with its key store.
type stack struct {
	t       *testing.T
	ctx     context.Context
	c       *cluster.Cluster
	etcd    *cluster.Etcd
	vault   *cluster.Vault
	role    cluster.AppRole
	secrets *cluster.SecretWriter
	// pluginBinary is built with the race detector.
	pluginBinary string
	auditor      string
}

// limit bounds one test; all of its waits are for readiness. It is many times what
// a test takes on a quiet machine.
const limit = 20 * time.Minute

// programs builds everything once for all tests of this run.
var programs = rig.Programs(components.KMSPluginSkewed, components.ETCDAudit)

// newStack starts etcd and Vault, with a Transit key and a role that may use it.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := newVaultStack(t)
	s.etcd = must(s.c.StartEtcd(s.ctx, 1))(t)
	return s
}

// newVaultStack is newStack for tests in which nothing is stored.
func newVaultStack(t *testing.T) *stack {
	t.Helper()
	c, opts := rig.Start(t, programs)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	s := &stack{t: t, ctx: ctx, c: c, secrets: cluster.NewSecretWriter(),
		pluginBinary: opts.Binaries.Path(components.KMSPluginRace), auditor: opts.Binaries.Path(components.ETCDAudit)}
	s.vault, s.role = rig.StartVault(ctx, t, c, 1, keyName)
	return s
}

// policy is the one that operators are given.
func policy(t testing.TB) string { return rig.Deployed(t, "vault-policy.hcl") }

// must turns a result with an error into one without: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T { return testkit.Must(v, err) }

func (s *stack) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// quick makes rotations take seconds where an operator would wait minutes.
func quick() map[string]any {
	return map[string]any{
		"probe-interval": "500ms", "probe-interval-failing": "500ms", "promotion-delay": "2s",
	}
}

// options are those of a plugin that serves, with changes over its configuration.
func (s *stack) options(name string, changes map[string]any) cluster.PluginOptions {
	config := quick()
	for k, v := range changes {
		config[k] = v
	}
	return cluster.PluginOptions{Name: name, Vault: s.vault, Role: s.role, Key: keyName, Config: config}
}

func (s *stack) plugin(name string) *cluster.Plugin {
	s.t.Helper()
	return must(s.c.StartPlugin(s.ctx, s.options(name, nil)))(s.t)
}

// apiServer starts an API server that writes Secrets through a plugin.
func (s *stack) apiServer(name string, p *cluster.Plugin) *cluster.APIServer {
	s.t.Helper()
	encryption := must(cluster.EncryptSecrets(p.Provider(providerName)))(s.t)
	return must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Name: name, Etcd: s.etcd, Encryption: encryption}))(s.t)
}

func (s *stack) restart(a interface{ Restart(context.Context) error }) {
	s.t.Helper()
	s.check(a.Restart(s.ctx))
}

func (s *stack) create(a *cluster.APIServer, prefix string, n int) {
	s.t.Helper()
	s.check(s.secrets.Create(s.ctx, a, namespace, prefix, n))
}

// readAll reads every Secret that was ever written and compares it.
func (s *stack) readAll(a *cluster.APIServer) {
	s.t.Helper()
	n, err := s.secrets.ReadBackAll(s.ctx, a)
	s.check(err)
	if n < s.secrets.Len() || n == 0 {
		s.t.Fatalf("read %d Secrets back of %d", n, s.secrets.Len())
	}
}

// list returns how many Secrets an API server lists in the test's namespace.
func (s *stack) list(a *cluster.APIServer) int {
	s.t.Helper()
	return len(must(a.Client().CoreV1().Secrets(namespace).List(s.ctx, metav1.ListOptions{}))(s.t).Items)
}

// rotate adds a key version and waits until the plugins write with it.
func (s *stack) rotate(plugins ...*cluster.Plugin) (keyID string) {
	s.t.Helper()
	old := make([]string, len(plugins))
	for i, p := range plugins {
		old[i] = must(p.KeyID(s.ctx))(s.t)
	}
	must(s.vault.Rotate(s.ctx, keyName))(s.t)
	for i, p := range plugins {
		keyID = must(p.WaitNewKeyID(s.ctx, old[i]))(s.t)
	}
	return keyID
}

// prove is the end of every test: what was written during it, and under at
// least three DEK seeds and two key versions, is read back one by one from an
// API server that has just started and has cached nothing.
func (s *stack) prove(p *cluster.Plugin, servers ...*cluster.APIServer) {
	s.t.Helper()
	a := servers[0]
	s.create(a, "proof-one", 5)
	s.rotate(p)
	for i := range 2 {
		s.restart(a) // a new seed; with it the new key version at once
		s.create(a, fmt.Sprintf("proof-new-%d", i), 5)
	}
	stored := must(s.etcd.SealedSecrets(s.ctx))(s.t)
	if len(stored.KeyIDs) < 2 || len(stored.Sources) < 3 {
		s.t.Fatalf("the proof spans %d key_ids and %d DEK seeds, want at least 2 and 3", len(stored.KeyIDs), len(stored.Sources))
	}
	for _, a := range servers {
		s.restart(a)
		s.readAll(a)
	}
}
