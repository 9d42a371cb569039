package e2e

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	kms "k8s.io/kms/apis/v2"

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
	role := must(v.AppRole(s.ctx, mount+"-"+key, rules(s.t, mount, key), nil))(s.t)
	return home{vault: v, role: role, mount: mount, key: key}
}

// rules is the policy that operators are given, for another key.
func rules(t testing.TB, mount, key string) string {
	t.Helper()
	return strings.NewReplacer(cluster.TransitMount+"/", mount+"/", "/"+keyName, "/"+key).Replace(policy(t))
}

func (h home) String() string { return h.vault.Address(0) + "/" + h.mount + "/" + h.key }

// section is a vault section of the plugin's configuration.
func (h home) section() map[string]any {
	return map[string]any{
		"address": h.vault.Address(0), "ca-file": h.vault.CAFile(), "mount": h.mount, "key": h.key,
		"auth": map[string]any{"method": "approle", "role-id": h.role.RoleID, "secret-id-file": h.role.SecretIDFile},
	}
}

// previous is an entry of the list of keys that only decrypt, beside the one
// that writes: what it does not say is inherited from that one.
func (h home) previous(writing home) map[string]any {
	entry := h.section()
	maps.DeleteFunc(entry, func(key string, value any) bool { return reflect.DeepEqual(value, writing.section()[key]) })
	return entry
}

// moveTo moves every node to another key, as docs/migration.md says.
func (f *fleet) moveTo(from, to home) {
	f.t.Helper()
	f.t.Logf("from %s to %s", from, to)
	old := must(f.plugins[0].KeyID(f.ctx))(f.t)
	// Every node must be able to read what the first of them will write.
	for _, p := range f.plugins {
		f.reconfigure(p, map[string]any{"previous": []any{to.previous(from)}})
	}
	for i, p := range f.plugins {
		f.reconfigure(p, map[string]any{"vault": to.section(), "previous": []any{from.previous(to)}})
		// API servers hold the seeds they use: they alone would show little.
		f.opensAll(p)
		e := must(p.KMS().Encrypt(f.ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "e2e"}))(f.t)
		for _, other := range f.plugins {
			_, err := other.KMS().Decrypt(f.ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "e2e"})
			if err != nil {
				f.t.Errorf("with %d of %d nodes moved, %s does not open what %s writes: %v", i+1, len(f.plugins), other.Name(), p.Name(), err)
			}
		}
	}
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
	// The second has the first one's role, the others have roles of their own.
	second := first
	second.key = "second"
	f.check(f.vault.CreateKey(f.ctx, second.key, nil))
	f.check(f.vault.PutPolicy(f.ctx, f.role.Name, policy(t)+rules(t, second.mount, second.key)))
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
	// The loss of a key that no data needs has no effect.
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
