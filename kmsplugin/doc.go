// Package kmsplugin is the Kubernetes KMS v2 service (KEP-3299): it seals the
// API server's DEK seeds with local KEKs that only the key store can derive.
//
// How it hangs together:
//
//	keeper    probes the key store in the background and publishes snapshots
//	Service   answers Status, Encrypt and Decrypt from the present snapshot
//	Server    serves the Service over gRPC, Health the rest over HTTP
//
// What decides is pure and stands apart: promotion.go (which version writes),
// standing.go (outage, credentials or refusal), servertime.go (whose clock).
//
// The package knows a key store only as backend.Backend, never as Vault; it
// reads no configuration and no environment.
package kmsplugin
