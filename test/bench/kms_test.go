package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/seal"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

const (
	keyName     = "k8s"
	clusterName = "bench"
)

// startPlugin starts Vault (Raft on disk, TLS) and a plugin with its defaults.
func startPlugin(b *testing.B) (*cluster.Vault, *cluster.Plugin) {
	b.Helper()
	c := clustertest.New(b, components.Vault, components.KMSPlugin)
	vault, err := c.StartVault(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	if err := vault.CreateKey(b.Context(), keyName, nil); err != nil {
		b.Fatal(err)
	}
	role, err := vault.AppRole(b.Context(), "kmsplugin", cluster.KeyPolicy(keyName), nil)
	if err != nil {
		b.Fatal(err)
	}
	p, err := c.StartPlugin(b.Context(), cluster.PluginOptions{Vault: vault, Role: role, Key: keyName, Cluster: clusterName})
	if err != nil {
		b.Fatal(err)
	}
	return vault, p
}

// BenchmarkSocket compares the plugin's calls with an empty call to a server
// that does nothing, on the same kind of socket.
func BenchmarkSocket(b *testing.B) {
	_, p := startPlugin(b)
	empty := startEmpty(b)
	client := p.KMS()
	ctx := context.Background()
	seed := make([]byte, 32)
	rand.Read(seed)
	e, err := client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	for _, call := range []struct {
		name string
		run  func() error
	}{
		{"Status", func() error { _, err := client.Status(ctx, &kms.StatusRequest{}); return err }},
		{"Encrypt", func() error {
			_, err := client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "bench"})
			return err
		}},
		{"Decrypt", func() error {
			_, err := client.Decrypt(ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "bench"})
			return err
		}},
	} {
		b.Run(call.name, func(b *testing.B) { new(pair).measure(b, 1, empty, call.run) })
	}
}

// BenchmarkFirstDecrypt compares the first Decrypt under a local KEK that the
// plugin does not hold with one direct Transit request of the same size.
func BenchmarkFirstDecrypt(b *testing.B) {
	vault, p := startPlugin(b)
	client := p.KMS()
	ctx := context.Background()
	samples := foreignSeeds(b, vault, 4096)
	next := 0
	// With a token of the same policy: to Vault a root token is less work.
	file, err := vault.TokenFile(ctx, "direct", cluster.KeyPolicy(keyName), "1h")
	if err != nil {
		b.Fatal(err)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	peer, err := vault.Client().Clone()
	if err != nil {
		b.Fatal(err)
	}
	peer.SetToken(string(token))
	direct := func() error {
		s := samples[next%len(samples)]
		_, err := peer.Logical().WriteWithContext(ctx, cluster.TransitMount+"/decrypt/"+keyName, map[string]any{
			"ciphertext":      string(s.annotations[seal.AnnotationKEK]),
			"associated_data": base64.StdEncoding.EncodeToString(s.binding.WrapData()),
		})
		return err
	}
	first := func() error {
		if next == len(samples) {
			return fmt.Errorf("each sample is new only once, and there are %d: run with -benchtime=%dx or less", len(samples), len(samples))
		}
		s := samples[next]
		next++
		_, err := client.Decrypt(ctx, &kms.DecryptRequest{Ciphertext: s.ciphertext, KeyId: s.binding.KeyID, Annotations: s.annotations, Uid: "bench"})
		return err
	}
	new(pair).measure(b, 1, direct, first)
}

type sample struct {
	binding     seal.Binding
	ciphertext  []byte
	annotations map[string][]byte
}

// foreignSeeds makes seeds that are each sealed with a local KEK of its own, as
// if another installation had written them, in the plugin's own format.
func foreignSeeds(b *testing.B, vault *cluster.Vault, n int) []sample {
	b.Helper()
	samples := make([]sample, n)
	var batch []map[string]any
	keys := make([][]byte, n)
	for i := range samples {
		samples[i].binding = seal.Binding{Cluster: clusterName, KeyID: fmt.Sprintf("v1.bench-%d", i)}
		keys[i] = make([]byte, seal.KEKSize)
		rand.Read(keys[i])
		batch = append(batch, map[string]any{
			"plaintext":       base64.StdEncoding.EncodeToString(keys[i]),
			"associated_data": base64.StdEncoding.EncodeToString(samples[i].binding.WrapData()),
		})
	}
	secret, err := vault.Client().Logical().WriteWithContext(b.Context(), cluster.TransitMount+"/encrypt/"+keyName, map[string]any{"batch_input": batch})
	if err != nil {
		b.Fatal(err)
	}
	results, ok := secret.Data["batch_results"].([]any)
	if !ok || len(results) != n {
		b.Fatalf("Vault wrapped %d of %d keys", len(results), n)
	}
	for i := range samples {
		kek, err := seal.NewLocalKEK(keys[i])
		if err != nil {
			b.Fatal(err)
		}
		wrapped := []byte(results[i].(map[string]any)["ciphertext"].(string)) //nolint:forcetypeassert // Vault's own format
		samples[i].annotations = map[string][]byte{seal.AnnotationCluster: []byte(clusterName), seal.AnnotationKEK: wrapped}
		samples[i].ciphertext = kek.Seal(samples[i].binding, wrapped, make([]byte, 32))
	}
	return samples
}
