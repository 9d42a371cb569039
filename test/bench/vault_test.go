package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/bench/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/vaultbackend"
)

// BenchmarkVault compares the calls that need Vault with one direct request to
// Transit for the same.
func BenchmarkVault(b *testing.B) {
	s := newStack(b)
	local := s.plugin(b, "local", probedRarely(nil)).KMS()
	vault := s.plugin(b, "vault", probedRarely(map[string]any{"envelope": "vault"})).KMS()
	floor := s.direct(b, 1)
	ctx := context.Background()
	atMost := []record.Limit{{At: .5, Ratio: 1.25}}

	b.Run("first Decrypt", func(b *testing.B) {
		p := pair{group: "vault", subjectName: "first Decrypt, local KEK not held", floorName: "a direct Transit decrypt", limits: atMost}
		p.opening(b, s.localSeeds(b, 4096), floor, local)
	})
	b.Run("Decrypt", func(b *testing.B) {
		p := pair{group: "vault", subjectName: "Decrypt, envelope: vault", floorName: "a direct Transit decrypt", limits: atMost}
		p.opening(b, s.directSeeds(b, 4096), floor, vault)
	})
	b.Run("Encrypt", func(b *testing.B) {
		seed := randomBytes(32)
		request := map[string]any{
			"plaintext":       base64.StdEncoding.EncodeToString(seed),
			"associated_data": base64.StdEncoding.EncodeToString(randomBytes(80)),
		}
		p := pair{group: "vault", subjectName: "Encrypt, envelope: vault", floorName: "a direct Transit encrypt", limits: atMost}
		p.measure(b, 1, func() error { return floor.transit("encrypt", request) }, func() error {
			_, err := vault.Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "bench"})
			return err
		})
	})
	b.Run("64 at once", s.gathered)
}

// opening measures Decrypt of seeds that the plugin has never seen: each is new
// only once.
func (p *pair) opening(b *testing.B, seeds []stored, floor *direct, client kms.KeyManagementServiceClient) {
	b.Helper()
	next := 0
	p.measure(b, 1,
		func() error { return floor.transit("decrypt", seeds[next%len(seeds)].unwrap) },
		func() error {
			if next == len(seeds) {
				return fmt.Errorf("each seed is new only once, and there are %d: run with -benchtime=%dx or less", len(seeds), len(seeds))
			}
			_, err := client.Decrypt(context.Background(), seeds[next].request)
			next++
			return err
		})
}

// gathered compares 64 callers with distinct directly wrapped sources, who go
// through the Vault client, with 64 who make a request each over connections of
// their own.
func (s *stack) gathered(b *testing.B) {
	const callers = 64
	cfg := vaultbackend.DefaultConfig()
	cfg.Address, cfg.CAFile, cfg.Mount, cfg.Key = []string{s.vault.Address(0)}, s.vault.CAFile(), cluster.TransitMount, keyName
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = s.role.RoleID, s.role.SecretIDFile
	client, err := vaultbackend.New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), kmsplugin.SinceBoot, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	seeds := s.directSeeds(b, callers)
	items := make([]backend.DecryptItem, callers)
	for i, seed := range seeds {
		aad, err := base64.StdEncoding.DecodeString(seed.unwrap["associated_data"].(string))
		if err != nil {
			b.Fatal(err)
		}
		items[i] = backend.DecryptItem{Ciphertext: seed.request.Ciphertext, AssociatedData: aad}
	}
	apart := s.direct(b, callers)

	p := pair{group: "gathered", subjectName: "64 distinct sources at once, through the Vault client", floorName: "64 requests at once, one each"}
	p.measure(b, 1,
		func() error {
			return all(callers, func(i int) error { return apart.transit("decrypt", seeds[i].unwrap) })
		},
		func() error {
			return all(callers, func(i int) error {
				results, err := client.Decrypt(b.Context(), items[i:i+1])
				if err == nil {
					err = results[0].Err
				}
				return err
			})
		})
	figure(b, "throughput-ratio", record.Figure{What: "64 distinct sources at once: throughput against one request each", Unit: "×",
		Value: float64(sum(p.floor)) / float64(sum(p.subject)), Least: bound(4)})
}

// all makes n calls at the same time and returns an error of any.
func all(n int, call func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = call(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sum(times []time.Duration) (total time.Duration) {
	for _, t := range times {
		total += t
	}
	return total
}
