// Package keystate knows what one key in a key store can be used for, now.
//
//	Monitor    probes the key in the background, provisions local KEKs, and publishes
//	Snapshot   from which requests are answered without asking the key store
//
// The decisions are pure: which version writes (promotion.go), whether a failure is an
// outage, a matter of credentials or a refusal (health.go), what time the key store has
// (servertime.go), which properties of the key are a risk (risk.go).
//
// What becomes of a key that is refused is in withhold.go, what survives a restart in
// checkpoint.go.
package keystate
