// Package vaultbackend holds one Transit key of a HashiCorp Vault (or an
// OpenBao) on behalf of the KMS plugin: it implements backend.Backend, keeps
// the login alive, gathers requests into batches, and says what each of
// Vault's answers means.
//
// Three kinds of failure are kept apart, because the plugin acts on them so
// differently (backend.Class): Vault could not answer (Outage), Vault would not
// let this process in (Credentials), and Vault, asked with a login known to be
// good, refuses the key (Refusal). Only errors.go knows which answer is which.
//
// What this package must never know: gRPC, Kubernetes, key ids, local KEKs,
// leases, or what is inside the bytes it passes on. It never creates, rotates
// or configures a key, and asks Vault for no capability beyond reading the
// key's metadata and update on hmac, encrypt and decrypt. Tokens, secret-ids,
// request bodies and plaintexts never appear in its errors and logs.
package vaultbackend
