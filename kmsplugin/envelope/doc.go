// Package envelope holds the formats that outlive the process: key ids, the
// associated data of both layers, local KEKs and the ciphertext that the API
// server stores. They are written down, with test vectors, in docs/formats.md
// and never change; a new format gets a new number.
//
// The package is pure: no I/O, no clock, and it knows neither Vault nor gRPC.
package envelope
