package bench

import (
	"context"
	"encoding/base64"
	"fmt"
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

// BenchmarkVault compares the calls that need Vault with a bare relay, which
// passes one request to Transit through a process of its own and does nothing
// else: no plugin can do with less. One direct request to Transit is measured in
// turn with both.
func BenchmarkVault(b *testing.B) {
	s := newStack(b)
	local := s.plugin(b, "local", probedRarely(nil)).KMS()
	vault := s.plugin(b, "vault", probedRarely(map[string]any{"envelope": "vault"})).KMS()
	floor := s.direct(b, 1)
	config := s.directConfig(b)
	relay := startFloor(b, &config)
	ctx := context.Background()

	// opening measures Decrypt of seeds that the plugin has never seen: each is
	// new only once.
	opening := func(b *testing.B, name string, seeds []stored, client kms.KeyManagementServiceClient) {
		next := 0
		overVault(b, name, "decrypt",
			func() error { return floor.transit("decrypt", seeds[next%len(seeds)].unwrap) },
			func() error { return relay.relay("decrypt", seeds[next%len(seeds)].unwrap) },
			func() error {
				if next == len(seeds) {
					return fmt.Errorf("each seed is new only once, and there are %d: run with -benchtime=%dx or less", len(seeds), len(seeds))
				}
				_, err := client.Decrypt(ctx, seeds[next].request)
				next++
				return err
			})
	}
	b.Run("first Decrypt", func(b *testing.B) {
		opening(b, "first Decrypt, local KEK not held", s.localSeeds(b, 4096), local)
	})
	b.Run("Decrypt", func(b *testing.B) {
		opening(b, "Decrypt, envelope: vault", s.directSeeds(b, 4096), vault)
	})
	b.Run("Encrypt", func(b *testing.B) {
		seed := randomBytes(32)
		request := map[string]any{
			"plaintext":       base64.StdEncoding.EncodeToString(seed),
			"associated_data": base64.StdEncoding.EncodeToString(randomBytes(80)),
		}
		overVault(b, "Encrypt, envelope: vault", "encrypt",
			func() error { return floor.transit("encrypt", request) },
			func() error { return relay.relay("encrypt", request) },
			func() error {
				_, err := vault.Encrypt(ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "bench"})
				return err
			})
	})
	b.Run("64 at once", s.gathered)
}

// overVault compares a call with a direct request to Vault, and with the same
// request through a relay.
func overVault(b *testing.B, name, operation string, direct, relayed, subject func() error) {
	b.Helper()
	p := pair{group: "vault", subjectName: name, floorName: "a direct Transit " + operation}
	besideRelay := pair{group: "vault", subjectName: name, floorName: p.floorName + " through a bare relay", limits: []record.Limit{{At: .5, Ratio: 1.2}}}
	for b.Loop() {
		asked, passed, took := timed(b, direct), timed(b, relayed), timed(b, subject)
		p.floor, p.subject = append(p.floor, asked), append(p.subject, took)
		besideRelay.floor, besideRelay.subject = append(besideRelay.floor, passed), append(besideRelay.subject, took)
	}
	besideRelay.report(b)
	p.keep(b)
	relay := pair{subjectName: besideRelay.floorName, floorName: p.floorName, subject: besideRelay.floor, floor: p.floor}
	relay.keep(b)
}

// gathered compares 64 callers with distinct directly wrapped sources, who go
// through the Vault client, with 64 who make a request each over connections of
// their own.
func (s *stack) gathered(b *testing.B) {
	const callers = 64
	cfg := vaultbackend.DefaultConfig()
	cfg.Address, cfg.CAFile, cfg.Mount, cfg.Key = []string{s.vault.Address(0)}, s.vault.CAFile(), cluster.TransitMount, keyName
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = s.role.RoleID, s.role.SecretIDFile
	client, err := vaultbackend.New(cfg, slog.New(slog.DiscardHandler), kmsplugin.SinceBoot, nil)
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

	p := pair{subjectName: "64 distinct sources at once, through the Vault client", floorName: "64 requests at once, one each"}
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
