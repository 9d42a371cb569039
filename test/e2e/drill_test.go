package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/test/cluster"
)

// The drill of docs/disaster-recovery.md: the Transit key is deleted by mistake,
// and there is no backup. What the plugins withhold is enough to move every Secret
// to a new key, without an API server or a plugin being restarted before that.
func TestADeletedKeyIsNotTheEndOfTheData(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 0, 0)
	f.create(f.servers[0], "first", 10)
	f.rotate(f.plugins...)
	f.restart(f.servers[0]) // a new seed, under the new version
	f.create(f.servers[0], "second", 10)
	stop := f.watch()

	f.check(f.vault.DeleteKey(f.ctx, keyName))
	for _, p := range f.plugins {
		waitStatus(f.stack, p, codes.PermissionDenied)
		if said := f.statusCommand(p); !strings.Contains(said, "withheld") || !strings.Contains(said, "on-refusal: lease") {
			t.Errorf("kmsplugin status names neither what is withheld nor how to break the glass:\n%s", said)
		}
	}

	// The glass is broken on every node. API servers write again.
	for _, p := range f.plugins {
		f.check(p.Configure(map[string]any{"on-refusal": "lease"}))
		f.check(p.Reload())
		f.check(p.WaitServing(f.ctx))
	}
	for i, a := range f.servers {
		f.check(cluster.Until(f.ctx, func(ctx context.Context) error {
			return f.secrets.Put(ctx, a, namespace, fmt.Sprintf("after-the-glass-%d", i))
		}))
	}

	// A second plugin beside the first on each node, with a new key.
	second := f.newHome(f.vault, cluster.TransitMount, "second")
	const secondName = providerName + "-2"
	var successors []*cluster.Plugin
	for i := range f.plugins {
		successors = append(successors, must(f.c.StartPlugin(f.ctx,
			f.options(fmt.Sprintf("%d-second", i), map[string]any{"vault": second.section()})))(t))
	}
	// Every API server must be able to read what the first of them will write.
	f.reload(func(i int) string {
		return must(cluster.EncryptSecrets(f.plugins[i].Provider(providerName), successors[i].Provider(secondName)))(t)
	})
	f.reload(func(i int) string {
		return must(cluster.EncryptSecrets(successors[i].Provider(secondName), f.plugins[i].Provider(providerName)))(t)
	})
	must(f.servers[0].RewriteAll(f.ctx, nil))(t)
	stop()
	f.storedBy(kmsProvider(successors[0].Provider(secondName)))

	// Only now anything is restarted, with the new plugin alone.
	for i, a := range f.servers {
		f.configure(a, must(cluster.EncryptSecrets(successors[i].Provider(secondName)))(t))
		f.check(f.plugins[i].Stop(f.ctx))
	}
	for _, a := range f.servers {
		f.restart(a)
		f.readAll(a)
	}
}

// statusCommand returns what "kmsplugin status" says of a plugin.
func (f *fleet) statusCommand(p *cluster.Plugin) string {
	f.t.Helper()
	// It exits with 1 for a plugin that does not serve.
	out, _ := exec.CommandContext(f.ctx, f.pluginBinary, "status", "--config", p.ConfigFile()).CombinedOutput()
	return string(out)
}

// reload gives every API server an EncryptionConfiguration and waits until all of
// them have loaded it.
func (f *fleet) reload(text func(i int) string) {
	f.t.Helper()
	g, ctx := errgroup.WithContext(f.ctx)
	for i, a := range f.servers {
		config := text(i)
		g.Go(func() error { return a.SetEncryptionConfig(ctx, config) })
	}
	f.check(g.Wait())
}
