package envelope

import "testing"

// The three that an API server waits for, or that a start with many key versions
// repeats. Run with and without GOEXPERIMENT=runtimesecret: see docs/memory.md.
func BenchmarkLocalKEK(b *testing.B) {
	key, seed := make([]byte, KEKSize), make([]byte, 32)
	binding := Binding{Cluster: "test", KeyID: "v1.00000000000000000000000000000000"}
	wrapped := []byte("vault:v1:AAAA")
	k, err := NewLocalKEK(key)
	if err != nil {
		b.Fatal(err)
	}
	stored := k.Wrap(binding, wrapped, seed)
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			if _, err := NewLocalKEK(key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Wrap", func(b *testing.B) {
		for b.Loop() {
			k.Wrap(binding, wrapped, seed)
		}
	})
	b.Run("Unwrap", func(b *testing.B) {
		for b.Loop() {
			if _, err := k.Unwrap(stored); err != nil {
				b.Fatal(err)
			}
		}
	})
}
