// Package vaultbackend is the plugin's Transit key in HashiCorp Vault or OpenBao: it
// implements backend.Backend, gathers requests into batches, prints the policy that
// the key needs and inspects what Vault allows. How Vault is reached and logged in
// to is the job of package client.
//
// What an answer means is judged by client/classify.go; only what Transit says of
// single items of a batch is judged here, in items.go.
//
// What this package must never know: gRPC, Kubernetes, key ids, local KEKs, leases,
// or what is inside the bytes it passes on. It never creates, rotates or configures a
// key, and asks Vault for no capability beyond reading the key's metadata and update
// on hmac, encrypt and decrypt. Plaintexts never appear in its errors and logs.
package vaultbackend
