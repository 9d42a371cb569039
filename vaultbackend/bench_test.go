package vaultbackend

import (
	"encoding/json"
	"fmt"
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
