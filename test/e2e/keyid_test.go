package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// anyKey lets a role use every key of every mount.
const anyKey = `path "+/+/*" { capabilities = ["read", "update"] }`

// use changes what a plugin starts with: the role, the mount and the key.
func use(role cluster.AppRole, mount, key string) func(*cluster.PluginOptions) {
	return func(o *cluster.PluginOptions) {
		o.Role, o.Key = role, key
		o.Config["vault"] = map[string]any{"mount": mount}
	}
}

// pluginWith starts a plugin with changed options.
func (s *stack) pluginWith(name string, change func(*cluster.PluginOptions)) *cluster.Plugin {
	s.t.Helper()
	opts := s.options(name, nil)
	change(&opts)
	return must(s.c.StartPlugin(s.ctx, opts))(s.t)
}

// write makes a request to Vault as root.
func (s *stack) write(path string, data map[string]any) *api.Secret {
	s.t.Helper()
	return must(s.vault.Client().Logical().WriteWithContext(s.ctx, path, data))(s.t)
}

// backup returns a key's plaintext backup, which it must be allowed to have.
func (s *stack) backup(mount, key string) string {
	s.t.Helper()
	s.write(mount+"/keys/"+key+"/config", map[string]any{"exportable": true, "allow_plaintext_backup": true})
	secret := must(s.vault.Client().Logical().ReadWithContext(s.ctx, mount+"/backup/"+key))(s.t)
	text, _ := secret.Data["backup"].(string)
	if text == "" {
		s.t.Fatal("Vault's answer holds no backup")
	}
	return text
}

// reconfigure restarts a plugin with changes over its configuration.
func (s *stack) reconfigure(p *cluster.Plugin, changes map[string]any) {
	s.t.Helper()
	s.check(p.Configure(changes))
	s.restart(p)
	s.check(p.WaitServing(s.ctx))
}

// decrypt asks a plugin what an API server would ask it for a stored value.
func (s *stack) decrypt(p *cluster.Plugin, value []byte) error {
	e, ok := cluster.ParseEnvelope(value)
	if !ok {
		return fmt.Errorf("not sealed")
	}
	_, err := p.KMS().Decrypt(s.ctx, &kms.DecryptRequest{
		Ciphertext: e.Object.GetEncryptedDEKSource(), KeyId: e.Object.GetKeyID(), Annotations: e.Object.GetAnnotations(), Uid: "e2e",
	})
	return err
}

// opens asks a plugin to open the seed of every stored Secret, as an API server
// does that has just started, and returns the last refusal of each key version.
func (s *stack) opens(p *cluster.Plugin) (opened int, refused map[string]error) {
	s.t.Helper()
	refused = map[string]error{}
	s.check(s.etcd.Walk(s.ctx, "/registry/secrets/", func(kv *mvccpb.KeyValue) error {
		refusal := s.decrypt(p, kv.Value)
		if refusal == nil {
			opened++
			return nil
		}
		e, _ := cluster.ParseEnvelope(kv.Value)
		version, _, _ := strings.Cut(e.Object.GetKeyID(), ".")
		refused[version] = refusal
		return nil
	}))
	return opened, refused
}

// opensAll demands that a plugin opens every stored Secret.
func (s *stack) opensAll(p *cluster.Plugin) {
	s.t.Helper()
	written := s.secrets.Len() // there may be more by the time they are read
	if opened, refused := s.opens(p); len(refused) > 0 || opened < written {
		s.t.Fatalf("%s opens %d of %d Secrets: %v", p.Name(), opened, written, refused)
	}
}

func TestAKeyIDNamesOneVersionOfOneKeyOnEveryNode(t *testing.T) {
	t.Parallel()
	s := newVaultStack(t)
	role := must(s.vault.AppRole(s.ctx, "any", anyKey, nil))(t)
	one, two := s.plugin("one"), s.plugin("two")
	s.rotate(one, two)
	// A node that is built anew has the configuration and nothing else.
	rebuilt := s.plugin("rebuilt")
	id := must(one.KeyID(s.ctx))(t)
	for _, p := range []*cluster.Plugin{two, rebuilt} {
		if got := must(p.KeyID(s.ctx))(t); got != id {
			t.Errorf("%s computes %s, not %s", p.Name(), got, id)
		}
	}

	ids := map[string]string{}
	differs := func(what string, p *cluster.Plugin) {
		t.Helper()
		got := must(p.KeyID(s.ctx))(t)
		if before, found := ids[got]; found {
			t.Errorf("%s has the key_id of %s, %s", what, before, got)
		}
		ids[got] = what
		s.check(p.Stop(s.ctx))
	}
	// One key, restored in several places with its creation time: only the place
	// tells them apart.
	for _, mount := range []string{"transit-b", "transit-c"} {
		s.check(s.vault.MountTransit(s.ctx, mount))
	}
	s.write("transit-b/keys/"+keyName, nil)
	created := time.Now()
	backup := s.backup("transit-b", keyName)
	s.write("transit-b/restore/other", map[string]any{"backup": backup})
	s.write("transit-c/restore/"+keyName, map[string]any{"backup": backup})
	differs("the key in transit-b", s.pluginWith("b", use(role, "transit-b", keyName)))
	differs("the key in transit-c", s.pluginWith("c", use(role, "transit-c", keyName)))
	differs("another key in transit-b", s.pluginWith("other", use(role, "transit-b", "other")))
	// In another second than the first: Vault's creation times have no more.
	s.waitUntil(created.Truncate(time.Second).Add(time.Second))
	s.write("transit-b/keys/other/config", map[string]any{"deletion_allowed": true})
	must(s.vault.Client().Logical().DeleteWithContext(s.ctx, "transit-b/keys/other"))(t)
	s.write("transit-b/keys/other", nil)
	differs("the key that was deleted and made again", s.pluginWith("again", use(role, "transit-b", "other")))
}

func TestAKeyWithManyVersionsIsAdoptedAtOnce(t *testing.T) {
	t.Parallel()
	const versions = 20
	s := newVaultStack(t)
	for range versions - 1 {
		s.write(cluster.TransitMount+"/keys/"+keyName+"/rotate", nil)
	}
	// What another plugin wrote over the years.
	seed := base64.StdEncoding.EncodeToString(make([]byte, 32))
	var written []string
	for n := range versions {
		answer := s.write(cluster.TransitMount+"/encrypt/"+keyName, map[string]any{"plaintext": seed, "key_version": n + 1})
		ciphertext, _ := answer.Data["ciphertext"].(string)
		written = append(written, ciphertext)
	}
	s.waitUntil(time.Now().Add(3 * time.Second)) // past the instant of the last

	p := s.plugin("a")
	id := must(p.KeyID(s.ctx))(t)
	if !strings.HasPrefix(id, fmt.Sprintf("v%d.", versions)) {
		t.Errorf("the first key_id is %s: the newest version is long past its instant", id)
	}
	for n, ciphertext := range written {
		d, err := p.KMS().Decrypt(s.ctx, &kms.DecryptRequest{Ciphertext: []byte(ciphertext), KeyId: fmt.Sprint(n + 1), Uid: "e2e"})
		if err != nil || len(d.GetPlaintext()) != 32 {
			t.Errorf("version %d: %v", n+1, err)
		}
	}
	s.check(p.WaitHeld(s.ctx, versions))
	e := must(p.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "e2e"}))(t)
	if e.KeyId != id {
		t.Errorf("Encrypt names %s and Status %s", e.KeyId, id)
	}
}

func TestOnlyKeyTypesThatAuthenticateServe(t *testing.T) {
	t.Parallel()
	s := newVaultStack(t)
	role := must(s.vault.AppRole(s.ctx, "any", anyKey, nil))(t)
	for _, keyType := range []string{"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"} {
		s.check(s.vault.CreateKey(s.ctx, keyType, map[string]any{"type": keyType}))
		for _, envelope := range []string{"local", "vault"} {
			opts := s.options(keyType+"-"+envelope, map[string]any{"envelope": envelope})
			opts.Role, opts.Key = role, keyType
			p := must(s.c.StartPlugin(s.ctx, opts))(t)
			e := must(p.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "e2e"}))(t)
			s.restart(p)
			s.check(p.WaitServing(s.ctx))
			d, err := p.KMS().Decrypt(s.ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "e2e"})
			if err != nil || len(d.GetPlaintext()) != 32 {
				t.Errorf("%s, envelope %s: %v", keyType, envelope, err)
			}
			s.check(p.Stop(s.ctx))
		}
	}
	for _, keyType := range []string{"rsa-2048", "ed25519", "ecdsa-p256", "hmac"} {
		settings := map[string]any{"type": keyType}
		if keyType == "hmac" {
			settings["key_size"] = 32
		}
		s.check(s.vault.CreateKey(s.ctx, keyType, settings))
		opts := s.options(keyType, nil)
		opts.Role, opts.Key, opts.VaultAway = role, keyType, true
		p := must(s.c.StartPlugin(s.ctx, opts))(t)
		err := waitStatus(s, p, codes.FailedPrecondition)
		for _, want := range []string{keyType, "aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Status says %q, which does not name %s", keyType, err, want)
			}
		}
		s.check(p.Stop(s.ctx))
	}
}

func TestWhatIsStoredStaysReadableWhereverTheKeyGoes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.role = must(s.vault.AppRole(s.ctx, "any", anyKey, nil))(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "first", 10)
	s.rotate(p)
	s.restart(a)
	s.create(a, "second", 10)
	before := must(p.KeyID(s.ctx))(t)

	// The mount moves.
	s.check(s.vault.MoveMount(s.ctx, cluster.TransitMount, "moved"))
	s.reconfigure(p, map[string]any{"vault": map[string]any{"mount": "moved"}})
	s.opensAll(p)
	moved := must(p.KeyID(s.ctx))(t)
	if moved == before || !strings.HasPrefix(moved, "v2.") {
		t.Errorf("key_id %s before the move and %s after it", before, moved)
	}

	// Vault is lost, and the key restored from its own backup in a new one, under
	// another name.
	backup := s.backup("moved", keyName)
	s.check(s.vault.Kill())
	s.vault = must(s.c.StartVault(s.ctx, 1))(t)
	s.check(s.vault.RestoreKey(s.ctx, "restored", cluster.KeyBackup(backup)))
	role := must(s.vault.AppRole(s.ctx, "any", anyKey, nil))(t)
	s.reconfigure(p, map[string]any{"vault": home{vault: s.vault, role: role, mount: cluster.TransitMount, key: "restored"}.section()})
	s.opensAll(p)
	restored := must(p.KeyID(s.ctx))(t)
	if restored == moved || !strings.HasPrefix(restored, "v2.") {
		t.Errorf("key_id %s before the key was restored and %s after it", moved, restored)
	}

	// An API server that has cached nothing reads all of it, and what it rewrites
	// is under the new name.
	s.restart(a)
	s.readAll(a)
	must(a.RewriteAll(s.ctx, nil))(t)
	if stored := must(s.etcd.SealedSecrets(s.ctx))(t); stored.Other != 0 || stored.KeyIDs[restored] != s.secrets.Len() {
		t.Errorf("after the rewrite: %d not sealed, key_ids %v", stored.Other, stored.KeyIDs)
	}

	// Vault no longer lists the first version; nothing that is stored needs it.
	s.check(s.vault.ConfigureKey(s.ctx, "restored", map[string]any{"min_decryption_version": 2}))
	s.restart(p)
	s.check(p.WaitServing(s.ctx))
	s.opensAll(p)
	if got := must(p.KeyID(s.ctx))(t); got != restored {
		t.Errorf("with the first version gone, the second has the key_id %s, not %s", got, restored)
	}
	s.restart(a)
	s.create(a, "third", 5)
	s.readAll(a)
}

func TestAVaultRestoredToBeforeARotationLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "first", 10)
	first := must(p.KeyID(s.ctx))(t)
	old := must(s.vault.Snapshot(s.ctx))(t)
	s.rotate(p)
	s.restart(a)
	s.create(a, "second", 10)
	s.opensAll(p)
	newer := must(s.vault.Snapshot(s.ctx))(t)
	second := must(s.etcd.Get(s.ctx, cluster.SecretKey(namespace, "second-0000"), 0))(t).Value

	s.check(s.vault.RestoreSnapshot(s.ctx, old))
	// The plugin that saw the second version still opens what is under it, and
	// writes with the first again, because Vault no longer has the newer one.
	s.check(cluster.Until(s.ctx, func(ctx context.Context) error {
		if id, err := p.KeyID(ctx); err != nil || id != first {
			return fmt.Errorf("key_id %s, %w", id, err)
		}
		return nil
	}))
	s.opensAll(p)
	// One that did not refuses it by name, and nothing else.
	other := s.plugin("other")
	opened, refused := s.opens(other)
	if opened != 10 || len(refused) != 1 || refused["v2"] == nil {
		t.Fatalf("a plugin that starts now opens %d of 20 Secrets and refuses %v", opened, refused)
	}
	if err := refused["v2"]; status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "version") {
		t.Errorf("what is under the lost version is refused with %v", err)
	}

	// Rewritten in time, nothing needs the lost version any more.
	s.check(a.WaitKeyID(s.ctx, first))
	must(a.RewriteAll(s.ctx, nil))(t)
	if stored := must(s.etcd.SealedSecrets(s.ctx))(t); stored.KeyIDs[first] != s.secrets.Len() {
		t.Errorf("after the rewrite: %v", stored.KeyIDs)
	}
	s.opensAll(other)
	s.restart(p)
	s.check(p.WaitServing(s.ctx))
	s.restart(a)
	s.readAll(a)

	// Not rewritten in time, the newer backup brings it back.
	if err := s.decrypt(other, second); err == nil {
		t.Fatal("what is under the lost version opens without it")
	}
	s.check(s.vault.RestoreSnapshot(s.ctx, newer))
	s.check(cluster.Until(s.ctx, func(context.Context) error { return s.decrypt(other, second) }))
	s.restart(a)
	s.readAll(a)
}

func TestTheEnvelopeMayBeChangedAtAnyTime(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "local", 5)
	for i, envelope := range []string{"vault", "local"} {
		s.reconfigure(p, map[string]any{"envelope": envelope})
		s.opensAll(p)
		s.restart(a)
		s.readAll(a)
		s.create(a, fmt.Sprintf("%s-%d", envelope, i), 5)
		if form := storedForm(s, fmt.Sprintf("%s-%d-0000", envelope, i)); form != envelope {
			t.Errorf("with envelope: %s it writes like %s", envelope, form)
		}
	}
	s.rotate(p)
	s.reconfigure(p, map[string]any{"envelope": "vault"})
	s.opensAll(p)
	s.reconfigure(p, map[string]any{"envelope": "local"})
	s.restart(a)
	s.readAll(a)
}

// storedForm is the envelope that one Secret was written with.
func storedForm(s *stack, name string) string {
	s.t.Helper()
	kv := must(s.etcd.Get(s.ctx, cluster.SecretKey(namespace, name), 0))(s.t)
	e, ok := cluster.ParseEnvelope(kv.Value)
	if !ok {
		s.t.Fatalf("%s is not sealed", name)
	}
	if strings.HasPrefix(string(e.Object.GetEncryptedDEKSource()), "vault:") {
		return "vault"
	}
	return "local"
}
