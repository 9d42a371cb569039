package vaultbackend

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// sealedItems returns n distinct ciphertexts.
func sealedItems(b *testing.B, c *Client, n int) []backend.DecryptItem {
	plaintexts := make([]string, n)
	for i := range plaintexts {
		plaintexts[i] = fmt.Sprintf("a seed of thirty-two bytes: %04d", i)
	}
	items := make([]backend.DecryptItem, n)
	for i, sealed := range encrypt(b, c, 1, "associated data", plaintexts...) {
		items[i] = backend.DecryptItem{Ciphertext: sealed, AssociatedData: []byte("associated data")}
	}
	return items
}

// BenchmarkDecrypt compares one Decrypt with the bare Transit call, made over
// the same connections and doing nothing with the answer.
func BenchmarkDecrypt(b *testing.B) {
	f := newFixture(b, nil)
	c, _ := f.client()
	item := sealedItems(b, c, 1)[0]
	b.Run("direct", func(b *testing.B) {
		body, err := json.Marshal(map[string]any{"ciphertext": string(item.Ciphertext), "associated_data": item.AssociatedData})
		must(b, err)
		s, err := c.tokens.get(b.Context())
		must(b, err)
		for b.Loop() {
			a, err := c.vault.send(b.Context(), c.nodes.urls[0], query{op: opDecrypt, token: s.token, method: "PUT", path: c.keyPath("decrypt"), body: body})
			if err != nil || a.status != 200 {
				b.Fatalf("%v, %v", a.status, err)
			}
		}
	})
	b.Run("client", func(b *testing.B) {
		for b.Loop() {
			if _, err := decrypt(b.Context(), c, item.Ciphertext, string(item.AssociatedData)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Benchmark64Decrypts compares 64 callers whose decrypts are gathered with 64
// that make a request each.
func Benchmark64Decrypts(b *testing.B) {
	f := newFixture(b, nil)
	c, obs := f.client()
	items := sealedItems(b, c, 64)
	all := func(b *testing.B, decrypt func(context.Context, []backend.DecryptItem) ([]backend.Result, error)) {
		before := obs.count(opDecrypt)
		for b.Loop() {
			var wg sync.WaitGroup
			for i := range items {
				wg.Go(func() {
					results, err := decrypt(b.Context(), items[i:i+1])
					if err != nil || results[0].Err != nil {
						b.Errorf("%v, %v", results, err)
					}
				})
			}
			wg.Wait()
		}
		b.ReportMetric(float64(obs.count(opDecrypt)-before)/float64(b.N), "requests/op")
	}
	b.Run("gathered", func(b *testing.B) { all(b, c.Decrypt) })
	b.Run("apart", func(b *testing.B) {
		// As many connections as callers, so that handshakes do not count.
		c.transports[0].MaxIdleConnsPerHost = len(items)
		all(b, c.decryptBatch)
	})
}
