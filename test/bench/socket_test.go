package bench

import (
	"context"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/bench/record"
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
	empty := startFloor(b, nil).empty
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
			p := pair{group: "socket", subjectName: call.name + ", local KEK held", floorName: "an empty call", limits: []record.Limit{{At: .5, Ratio: 1.3}, {At: .99, Ratio: 2}}}
			p.measure(b, 1, empty, call.run)
		})
	}
	b.Run("Vault", func(b *testing.B) {
		var after float64
		for b.Loop() {
			after = vaultRequests(b, p)
		}
		b.ReportMetric(0, "ns/op")
		figure(b, "requests", record.Figure{What: "requests to Vault during all Status, Encrypt and Decrypt calls under a local KEK held",
			Value: after - before, Most: bound(0)})
	})
}
