package e2e

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
)

// home is where a key is: a Vault, a mount, a name and a role that may use it.
type home struct {
	vault      *cluster.Vault
	role       cluster.AppRole
	mount, key string
}

// newHome makes a key and a role that may use it and no other.
func (s *stack) newHome(v *cluster.Vault, mount, key string) home {
	s.t.Helper()
	_, err := v.Client().Logical().WriteWithContext(s.ctx, mount+"/keys/"+key, nil)
	s.check(err)
	rules := strings.NewReplacer(cluster.TransitMount+"/", mount+"/", "/"+keyName, "/"+key).Replace(policy(s.t))
	role := must(v.AppRole(s.ctx, mount+"-"+key, rules, nil))(s.t)
	return home{vault: v, role: role, mount: mount, key: key}
}

func (h home) String() string { return h.vault.Address(0) + "/" + h.mount + "/" + h.key }

// section is a vault section of the plugin's configuration.
func (h home) section() map[string]any {
	return map[string]any{
		"address": h.vault.Address(0), "ca-file": h.vault.CAFile(), "mount": h.mount, "key": h.key,
		"auth": map[string]any{"method": "approle", "role-id": h.role.RoleID, "secret-id-file": h.role.SecretIDFile},
	}
}

// moveTo moves every node to another key, as docs/migration.md says.
func (f *fleet) moveTo(from, to home) {
	f.t.Helper()
	f.t.Logf("from %s to %s", from, to)
	old := must(f.plugins[0].KeyID(f.ctx))(f.t)
	everywhere := func(config map[string]any) {
		f.t.Helper()
		for _, p := range f.plugins {
			f.reconfigure(p, config)
		}
	}
	// Every node must be able to read what the first of them will write.
	everywhere(map[string]any{"previous": []any{to.section()}})
	everywhere(map[string]any{"vault": to.section(), "previous": []any{from.section()}})
	keyID := must(f.plugins[0].KeyID(f.ctx))(f.t)
	if keyID == old {
		f.t.Errorf("both keys have the key_id %s", keyID)
	}
	for _, a := range f.servers {
		f.check(a.WaitKeyID(f.ctx, keyID))
	}
	must(f.servers[0].RewriteAll(f.ctx, nil))(f.t)
	stored := must(f.etcd.SealedSecrets(f.ctx))(f.t)
	if stored.Other != 0 || len(stored.KeyIDs) != 1 || stored.KeyIDs[keyID] < f.secrets.Len() {
		f.t.Errorf("after the rewrite: %d not sealed, key_ids %v, want all under %s", stored.Other, stored.KeyIDs, keyID)
	}
}

// leave removes the old key from every node's configuration, after which it may
// be destroyed.
func (f *fleet) leave() {
	f.t.Helper()
	for _, p := range f.plugins {
		f.reconfigure(p, map[string]any{"previous": nil})
	}
}

func TestAKeyMovesToAnotherKeyMountAndVaultUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, 0, 0)
	f.create(f.servers[0], "kept", 10)
	first := home{vault: f.vault, role: f.role, mount: cluster.TransitMount, key: keyName}
	second := f.newHome(f.vault, cluster.TransitMount, "second")
	f.check(f.vault.MountTransit(f.ctx, "transit-b"))
	third := f.newHome(f.vault, "transit-b", keyName)
	other := must(f.c.StartVault(f.ctx, 1))(t)
	fourth := f.newHome(other, cluster.TransitMount, keyName)
	stop := f.watch()

	f.moveTo(first, second)
	f.leave()
	f.check(f.vault.DeleteKey(f.ctx, keyName))
	f.moveTo(second, third)
	f.leave()
	f.check(f.vault.Unmount(f.ctx, cluster.TransitMount))
	f.moveTo(third, fourth)
	// A key that nothing needs any more is missed by nobody.
	f.check(f.vault.Stop(f.ctx))
	for _, p := range f.plugins {
		f.opensAll(p)
	}
	f.leave()

	stop()
	f.checkWrites()
	for i, a := range f.servers {
		f.opensAll(f.plugins[i])
		f.restart(a)
		f.readAll(a)
	}
	f.scan().wants(t, 0)
}
