// Package kmsplugin is the Kubernetes KMS v2 service (KEP-3299): it wraps the API
// server's DEK seeds with local KEKs that only the key store can derive.
//
//	Service    answers Status, Encrypt and Decrypt, from the snapshots of keystate
//	           where they suffice (service.go, decrypt.go)
//	Server     serves the Service over gRPC (server.go, admission.go), Health the rest
//	           over HTTP (health.go)
//
// Errors become codes in errors.go, and nowhere else. Stored formats are in envelope,
// what is known of a key in keystate, what survives a restart in checkpoint.
//
// The package knows a key store only as backend.Backend, never as Vault; it
// reads no configuration and no environment.
package kmsplugin
