package vaultbackend

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// sealedItems returns n distinct ciphertexts.
func sealedItems(b *testing.B, c *Key, n int) []backend.DecryptItem {
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
	c, _ := f.key()
	item := sealedItems(b, c, 1)[0]
	b.Run("direct", func(b *testing.B) {
		body := map[string]any{"ciphertext": string(item.Ciphertext), "associated_data": item.AssociatedData}
		for b.Loop() {
			_, err := c.vault.Do(b.Context(), client.Request{Op: "direct", What: "decrypt", Method: http.MethodPut, Path: c.cfg.keyPath("decrypt"), Body: body})
			must(b, err)
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
