package kmsplugin

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// noCover returns the text of that risk, if there is one.
func (r *replica) noCover() string {
	r.t.Helper()
	for _, h := range r.info().GetKeys()[0].GetHazards() {
		if h.GetName() == "min_encryption_version_raised" {
			return h.GetText()
		}
	}
	return ""
}

func TestARaisedEncryptionMinimumIsARiskForTheVersionsBelowIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		w.store.rotate()
		time.Sleep(time.Hour)
		r := w.replica(nil)
		old := r.mustEncrypt("old")
		w.store.rotate()
		time.Sleep(5 * time.Minute)
		if text := r.noCover(); text != "" {
			t.Errorf("before: %s", text)
		}
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 3 })
		time.Sleep(time.Minute)
		if text := r.noCover(); !strings.Contains(text, "The local KEK of versions 1, 2 is still held") || strings.Contains(text, "In an outage") {
			t.Errorf("they are held until a restart: %q", text)
		}
		r.stop()

		r = w.replica(nil)
		if text := r.noCover(); !strings.Contains(text, "of what versions 1, 2 sealed") || strings.Contains(text, "still held") {
			t.Errorf("they are not held: %q", text)
		}
		other := w.replica(nil)
		other.mustDecrypt(old, "old")
		time.Sleep(time.Minute)
		if other.noCover() == "" {
			t.Error("one local KEK that was unwrapped stands for all")
		}

		// Why it is one.
		time.Sleep(10 * time.Hour)
		w.store.fails(vaultGone())
		time.Sleep(time.Minute)
		r.mustNotDecrypt(old, codes.Unavailable)
		other.mustDecrypt(old, "old")

		w.store.set(func(s *fakeStore) { s.fail, s.key.MinDecryption = nil, 2 })
		time.Sleep(time.Minute)
		if text := r.noCover(); !strings.Contains(text, "of what version 2 sealed") {
			t.Errorf("version 1 is none that could be opened: %q", text)
		}
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 0 })
		time.Sleep(time.Minute)
		if text := r.noCover(); text != "" {
			t.Errorf("after it was lowered: %q", text)
		}
		w.store.fails(vaultGone())
		time.Sleep(time.Minute)
		r.mustDecrypt(old, "old")
	})
}

func TestOnlyAKeyThatDerivesLosesCoverToAnEncryptionMinimum(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		if text := w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).noCover(); text != "" {
			t.Errorf("with envelope vault: %s", text)
		}
		old := w.store
		w.store = w.second("new")
		r := w.replicaWith(nil, previous(old))
		if h := r.info().GetKeys()[1].GetHazards(); len(h) != 0 {
			t.Errorf("a previous key: %v", h)
		}
	})
}
