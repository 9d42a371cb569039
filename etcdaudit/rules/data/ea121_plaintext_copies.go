package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextCopies() rule {
	return rule{
		ID: "EA-121", Title: "No plaintext Secret is left behind live values", Severity: check.High,
		Why:   "encrypting a Secret, or deleting it, leaves what was written before: each reader of these bytes has the credentials",
		Reads: "every version, free page, log entry and byte of the layer that can hold a Secret (protobuf, JSON, YAML, CBOR)",
		Run: one(func(s facts.Store) check.Result {
			plain := find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", r == s.Inventory.Secrets() && c.Format.Plaintext()
			})
			if plain.values > 0 {
				return left(s, plain, fmt.Sprintf("%s of Secrets can be read there", copies(plain.values)))
			}
			return nothingLeft(s, "no plaintext Secret is there")
		}),
	}
}
