package bench

import (
	"context"
	"testing"

	kms "k8s.io/kms/apis/v2"
)

// probedRarely leaves requests to Vault only to those who ask the plugin.
func probedRarely(more map[string]any) map[string]any {
	config := map[string]any{"probe-interval": "10m", "promotion-delay": "30m"}
	for key, value := range more {
		config[key] = value
	}
	return config
}

// BenchmarkSocket compares the plugin's calls with an empty call to a server
// that does nothing, on the same kind of socket.
func BenchmarkSocket(b *testing.B) {
	p := newStack(b).plugin(b, "a", probedRarely(nil))
	empty := startEmpty(b)
	client := p.KMS()
	ctx := context.Background()
	seed := randomBytes(32)
	e, err := client.Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	before := vaultRequests(b, p)
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
		b.Run(call.name, func(b *testing.B) {
			p := pair{group: "socket", subjectName: call.name + ", local KEK held", floorName: "an empty call", limits: []limit{{At: .5, Ratio: 1.3}, {At: .99, Ratio: 2}}}
			p.measure(b, 1, empty, call.run)
		})
	}
	b.Run("Vault", func(b *testing.B) {
		for b.Loop() { // nothing to do but to look what all of the above has cost
		}
		b.ReportMetric(0, "ns/op")
		figure{What: "requests to Vault during all Status, Encrypt and Decrypt calls under a local KEK held", Metric: "requests",
			Value: vaultRequests(b, p) - before, Most: bound(0)}.report(b)
	})
}
