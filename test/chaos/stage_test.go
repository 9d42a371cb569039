package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/test/chaos/plan"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/internal/rig"
)

// stage is the control plane that things are done to.
type stage struct {
	vault   *cluster.Vault
	etcd    *cluster.Etcd
	hosts   [plan.Hosts]host
	secrets *cluster.SecretWriter
	record  *plan.Record
	// version is the newest one of the key, as Vault counts.
	version int
	log     func(format string, args ...any)
}

// host is one control-plane node.
type host struct {
	role   cluster.AppRole
	links  [plan.Nodes]*cluster.Proxy
	plugin *cluster.Plugin
	api    *cluster.APIServer
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx := t.Context()
	c := clustertest.Start(t, must(programs())(t))
	s := &stage{secrets: cluster.NewSecretWriter(), record: plan.NewRecord(promotionDelay), version: 1, log: t.Logf}
	s.vault = must(c.StartVault(ctx, plan.Nodes))(t)
	check(t, s.vault.CreateKey(ctx, keyName, nil))
	s.etcd = must(c.StartEtcd(ctx, 1))(t)
	for i := range s.hosts {
		h, name := &s.hosts[i], string(rune('a'+i))
		h.role = must(s.vault.AppRole(ctx, "kmsplugin-"+name, rig.Deployed(t, "vault-policy.hcl"), nil))(t)
		var addresses []string
		for node := range h.links {
			h.links[node] = must(c.StartProxy(s.vault.Address(node)))(t)
			addresses = append(addresses, h.links[node].URL)
		}
		h.plugin = must(c.StartPlugin(ctx, cluster.PluginOptions{
			Name: name, Vault: s.vault, Role: h.role, Key: keyName, Addresses: addresses,
			// As by default, but quick: a run is short, and an outage in it shorter.
			Config: map[string]any{"probe-interval": "1s", "probe-interval-failing": "500ms", "promotion-delay": promotionDelay.String()},
		}))(t)
		encryption := must(cluster.EncryptSecrets(h.plugin.Provider(providerName)))(t)
		h.api = must(c.StartAPIServer(ctx, cluster.APIServerOptions{Name: name, Etcd: s.etcd, Encryption: encryption}))(t)
	}
	return s
}

// prove ends a run: API servers that have just started, and have cached nothing, read
// every Secret.
func (s *stage) prove(t *testing.T) {
	t.Helper()
	want := s.secrets.Len()
	for _, h := range s.hosts {
		check(t, h.api.Restart(t.Context()))
		read, err := s.secrets.ReadBackAll(t.Context(), h.api)
		check(t, err)
		list := must(h.api.Client().CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}))(t)
		if read < want || len(list.Items) < want {
			t.Errorf("%s reads %d Secrets and lists %d, of %d", h.api.Name(), read, len(list.Items), want)
		}
	}
	sealed := must(s.etcd.SealedSecrets(t.Context()))(t)
	if sealed.Other > 0 {
		t.Errorf("%d Secrets are stored and were not sealed", sealed.Other)
	}
	t.Logf("%d Secrets are as they were written; they are sealed under %d versions of the key, with %d seeds",
		want, len(sealed.KeyIDs), len(sealed.Sources))
}

// settle waits until every plugin that Vault serves has noticed: what the plan takes
// for granted after a step.
func (s *stage) settle(ctx context.Context, w plan.World) error {
	for i := range w.Hosts {
		if w.Hosts[i].Plugin != plan.Up || !w.Reaches(i) {
			continue
		}
		p := s.hosts[i].plugin
		if err := p.WaitServing(ctx); err != nil {
			return err
		}
		err := p.WaitFor(ctx, fmt.Sprintf("be served by Vault and know version %d", s.version), func(ctx context.Context) error {
			m, err := p.Metrics(ctx)
			if err != nil {
				return err
			}
			ok, _ := m.Sum("sealproof_vault_state", "source=vault", "state=ok")
			write, _ := m.Sum("sealproof_write_version")
			next, _ := m.Sum("sealproof_next_write_version")
			if ok != 1 || max(write, next) < float64(s.version) {
				return errors.Join(fmt.Errorf("its Vault is ok: %v, it writes with version %v, next with %v", ok == 1, write, next))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
