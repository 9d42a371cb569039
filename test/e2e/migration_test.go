package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/cluster"
)

// provider is one way to store Secrets.
type provider struct {
	name   string
	config apiserverv1.ProviderConfiguration
	// prefix is what its values begin with in etcd; those of identity begin with
	// what Kubernetes itself puts before them.
	prefix string
}

// localProviders are those that hold their keys in the EncryptionConfiguration.
func localProviders() map[string]provider {
	keys := func() []apiserverv1.Key {
		key := make([]byte, 32)
		rand.Read(key) // never fails
		return []apiserverv1.Key{{Name: "key1", Secret: base64.StdEncoding.EncodeToString(key)}}
	}
	aes := func() *apiserverv1.AESConfiguration { return &apiserverv1.AESConfiguration{Keys: keys()} }
	list := map[string]provider{}
	for _, p := range []provider{
		{"identity", apiserverv1.ProviderConfiguration{Identity: &apiserverv1.IdentityConfiguration{}}, "k8s\x00"},
		{"aescbc", apiserverv1.ProviderConfiguration{AESCBC: aes()}, "k8s:enc:aescbc:v1:key1:"},
		{"aesgcm", apiserverv1.ProviderConfiguration{AESGCM: aes()}, "k8s:enc:aesgcm:v1:key1:"},
		{"secretbox", apiserverv1.ProviderConfiguration{Secretbox: &apiserverv1.SecretboxConfiguration{Keys: keys()}}, "k8s:enc:secretbox:v1:key1:"},
	} {
		list[p.name] = p
	}
	return list
}

func kmsProvider(p cluster.KMSProvider) provider {
	return provider{p.Name, apiserverv1.ProviderConfiguration{KMS: &apiserverv1.KMSConfiguration{
		APIVersion: "v2", Name: p.Name, Endpoint: "unix://" + p.Socket,
	}}, "k8s:enc:kms:v2:" + p.Name + ":"}
}

// encryption is an EncryptionConfiguration that writes with the first provider
// and reads with all of them, and with nothing else: what still needed another
// one would be unreadable.
func encryption(t testing.TB, providers ...provider) string {
	t.Helper()
	var list []apiserverv1.ProviderConfiguration
	for _, p := range providers {
		list = append(list, p.config)
	}
	return string(must(yaml.Marshal(apiserverv1.EncryptionConfiguration{
		TypeMeta:  metav1.TypeMeta{APIVersion: "apiserver.config.k8s.io/v1", Kind: "EncryptionConfiguration"},
		Resources: []apiserverv1.ResourceConfiguration{{Resources: []string{"secrets"}, Providers: list}},
	}))(t))
}

// configure restarts an API server with an EncryptionConfiguration, which is
// quicker than its own reload.
func (s *stack) configure(a *cluster.APIServer, text string) {
	s.t.Helper()
	s.check(os.WriteFile(a.EncryptionFile(), []byte(text), 0o600))
	s.restart(a)
}

// storedBy checks that every Secret in etcd is stored by one provider.
func (s *stack) storedBy(p provider) {
	s.t.Helper()
	n := 0
	s.check(s.etcd.Walk(s.ctx, "/registry/secrets/", func(kv *mvccpb.KeyValue) error {
		n++
		if !bytes.HasPrefix(kv.Value, []byte(p.prefix)) {
			return fmt.Errorf("%s is stored as %.30q, not by %s", kv.Key, kv.Value, p.name)
		}
		return nil
	}))
	if n < s.secrets.Len() {
		s.t.Errorf("%d of %d Secrets are in etcd", n, s.secrets.Len())
	}
}

// audit compares what is stored with an API server's configuration and returns
// what the auditor says of each check that did not pass. Whether Secrets should
// be encrypted at all (EA-101, EA-401) is not the question.
func (s *stack) audit(a *cluster.APIServer) (failed map[string]string) {
	s.t.Helper()
	var report struct {
		Checks []struct{ ID, Status, Summary string }
	}
	scan := s.scan("--encryption-provider-config", a.EncryptionFile(), "--output", "json")
	if err := json.Unmarshal(scan.out, &report); err != nil {
		s.t.Fatalf("read the report: %v\n%s%s", err, scan.out, scan.err)
	}
	failed = map[string]string{}
	seen := 0
	for _, check := range report.Checks {
		switch check.ID {
		case "EA-102", "EA-103", "EA-104", "EA-111", "EA-112", "EA-113", "EA-114":
			seen++
			if check.Status != "STATUS_PASS" && check.Status != "STATUS_NOT_APPLICABLE" {
				failed[check.ID] = check.Status + " " + check.Summary
			}
		}
	}
	if seen != 7 {
		s.t.Errorf("%d of 7 checks are in the report", seen)
	}
	return failed
}

// The way of one cluster through every provider, to Sealproof and away from it
// again. Each configuration names the provider to write with and the one before
// it, so that it also shows that the one before that is no longer needed.
func TestMovingToSealproofFromEveryProviderAndOutAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	local, sealproof := localProviders(), kmsProvider(p.Provider(providerName))
	from := local["identity"]
	a := must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Etcd: s.etcd, Encryption: encryption(t, from)}))(t)
	s.create(a, "before", 10)
	s.storedBy(from)
	// Another API server, which only reads with the new provider as yet.
	b := must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Name: "b", Etcd: s.etcd, Encryption: encryption(t, from, sealproof)}))(t)

	for _, to := range []provider{
		sealproof, local["aescbc"], sealproof, local["aesgcm"], sealproof, local["secretbox"], sealproof, local["identity"],
	} {
		step := fmt.Sprintf("%s-to-%s", from.name, to.name)
		t.Log(step)
		s.configure(a, encryption(t, to, from))
		s.readAll(a)
		s.create(a, step, 2)
		if failed := s.audit(a); len(failed) == 0 {
			t.Errorf("%s: before anything is rewritten the auditor finds nothing to rewrite", step)
		}
		must(a.RewriteAll(s.ctx, nil))(t)
		s.readAll(a)
		s.storedBy(to)
		if b.Running() {
			s.readAll(b)
			s.check(b.Stop(s.ctx))
		}
		if failed := s.audit(a); len(failed) > 0 {
			t.Errorf("%s: after the rewrite the auditor says %v", step, failed)
		}
		from = to
	}
	// Sealproof is gone: neither its plugin nor its provider is needed.
	s.check(p.Stop(s.ctx))
	s.configure(a, encryption(t, from))
	s.readAll(a)
}

func TestTakingOverFromAPlainTransitPlugin(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	plain, stopPlain := startPlainPlugin(s)
	a := must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Etcd: s.etcd, Encryption: encryption(t, kmsProvider(plain))}))(t)
	s.create(a, "one", 10)
	s.write(cluster.TransitMount+"/keys/"+keyName+"/rotate", nil)
	s.restart(a)
	s.create(a, "two", 10)
	stored := must(s.etcd.SealedSecrets(s.ctx))(t)
	if stored.KeyIDs["1"] != 10 || stored.KeyIDs["2"] != 10 {
		t.Fatalf("the plain plugin wrote under the key_ids %v", stored.KeyIDs)
	}
	old := must(s.etcd.Get(s.ctx, cluster.SecretKey(namespace, "one-0000"), 0))(t).Value
	backup := filepath.Join(t.TempDir(), "backup.db")
	in := must(s.etcd.Client().Snapshot(s.ctx))(t)
	out := must(os.Create(filepath.Clean(backup)))(t)
	must(out.ReadFrom(in))(t)
	s.check(errors.Join(in.Close(), out.Close()))

	// The same provider name and the same key; the plugin is another one.
	stopPlain()
	p := s.plugin("a")
	s.configure(a, encryption(t, kmsProvider(p.Provider(plain.Name))))
	s.readAll(a)
	m := must(p.Metrics(s.ctx))(t)
	if n, _ := m.Sum("sealproof_bare_decrypts_total"); n < 2 {
		t.Errorf("%g bare ciphertexts were counted", n)
	}
	s.create(a, "three", 10)
	s.scan().wants(t, 0, "stale")
	must(a.RewriteAll(s.ctx, nil))(t)
	keyID := must(p.KeyID(s.ctx))(t)
	if stored := must(s.etcd.SealedSecrets(s.ctx))(t); stored.Other != 0 || stored.KeyIDs[keyID] != s.secrets.Len() {
		t.Errorf("after the rewrite: %d not sealed, key_ids %v", stored.Other, stored.KeyIDs)
	}

	// The backup of before can still be decrypted, and the auditor says with what.
	verify := []string{"scan", "--verify", "--unwrap-timeout", "2m", "--plugin-socket", p.Socket(), backup}
	s.run(verify...).saysAll(t, "values can be decrypted. It needs", "version 1 of the key behind key_id 1 (10 of 10 values opened", "version 2 of the key behind key_id 2 (10 of 10 values opened", "EncryptionConfiguration: kms v2 "+plain.Name)

	// Then it can be forbidden: what is stored opens, what the other plugin wrote
	// does not, and the reason is given.
	s.check(s.decrypt(p, old))
	s.reconfigure(p, map[string]any{"decrypt": map[string]any{"require-associated-data": true}})
	s.opensAll(p)
	if err := s.decrypt(p, old); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "require-associated-data") {
		t.Errorf("forbidden, it says %v", err)
	}
	s.run(verify...).saysAll(t, "20 of its ", "require-associated-data", "FAIL EA-141")
	s.restart(a)
	s.readAll(a)
	s.scan().wants(t, 0)
}

// A Vault that is gone for good, with its backups, takes nothing with it as long
// as a plugin runs that holds its local keys: everything can be rewritten with
// another provider, by API servers that start anew.
func TestALostVaultCanBeLeftWithinTheLease(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "first", 10)
	s.rotate(p)
	s.restart(a)
	s.create(a, "second", 10)

	s.check(s.vault.Kill())
	local, sealproof := localProviders()["aescbc"], kmsProvider(p.Provider(providerName))
	s.configure(a, encryption(t, local, sealproof))
	s.readAll(a)
	must(a.RewriteAll(s.ctx, nil))(t)
	s.storedBy(local)
	s.check(p.Stop(s.ctx))
	s.configure(a, encryption(t, local))
	s.create(a, "after", 5)
	s.readAll(a)
}
