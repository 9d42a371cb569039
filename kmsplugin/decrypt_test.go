package kmsplugin

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
)

func TestWhatHMACNoLongerDerivesIsUnwrappedAndLeased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		writer := w.replica(nil)
		old := writer.mustEncrypt("old")
		w.store.rotate()
		w.store.set(func(s *fakeStore) { s.key.MinEncryption = 2 })
		r := w.replica(nil) // cannot derive version 1
		r.mustDecrypt(old, "old")
		before := w.store.count()
		r.mustDecrypt(old, "old")
		if w.store.count() != before {
			t.Error("unwrapped twice")
		}
		time.Sleep(50 * time.Hour) // probes extend its lease
		w.store.fails(vaultGone())
		time.Sleep(20 * time.Hour)
		r.mustDecrypt(old, "old")
		time.Sleep(5 * time.Hour)
		r.mustNotDecrypt(old, codes.Unavailable, "lease")
	})
}

func TestBothEnvelopesReadEachOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		local := w.replica(nil)
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		one, two := local.mustEncrypt("one"), direct.mustEncrypt("two")
		if !bytes.HasPrefix(two.Ciphertext, []byte("vault:v1:")) || one.KeyID != two.KeyID {
			t.Errorf("direct form: %q under %s, want %s", two.Ciphertext, two.KeyID, one.KeyID)
		}
		local.mustDecrypt(two, "two")
		direct.mustDecrypt(one, "one")
		w.store.fails(vaultGone())
		time.Sleep(20 * time.Hour)
		local.mustDecrypt(two, "two")
		direct.mustDecrypt(one, "one")
		direct.mustDecrypt(two, "two") // what it wrote itself it never had to open
		direct.mustNotEncrypt(codes.Unavailable, "Vault is sealed")
	})
}

func TestAnotherPluginsCiphertextIsTakenOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		unbound := w.store.unbound(t, "seed")
		w.replica(nil).mustDecrypt(unbound, "seed")
		strict := w.replica(func(c *Config) { c.Decrypt.RequireAssociatedData = true })
		strict.mustNotDecrypt(unbound, codes.FailedPrecondition, "decrypt.require-associated-data")
	})
}

func TestAnotherClustersCiphertextIsRefusedByName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, envelope := range []string{EnvelopeLocal, EnvelopeVault} {
			e := w.replica(func(c *Config) { c.Cluster, c.Envelope = "staging", envelope }).mustEncrypt("seed")
			_, err := w.replica(nil).decrypt(e)
			wants(t, err, codes.FailedPrecondition, `"staging"`, `"prod"`, "accept-clusters")
			w.replica(func(c *Config) { c.AcceptClusters = []string{"staging"} }).mustDecrypt(e, "seed")
			moved := *e
			moved.Annotations = map[string][]byte{transit.AnnotationCluster: []byte("prod")}
			if kek := e.Annotations[transit.AnnotationKEK]; kek != nil {
				moved.Annotations[transit.AnnotationKEK] = kek
			}
			_, err = w.replica(nil).decrypt(&moved)
			wants(t, err, codes.InvalidArgument)
		}
	})
}

func TestTamperedRequestsAreInvalid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		for name, change := range map[string]func(*service.EncryptResponse){
			"a flipped bit in the seed":        func(e *service.EncryptResponse) { e.Ciphertext[30] ^= 1 },
			"a flipped bit in the fingerprint": func(e *service.EncryptResponse) { e.Ciphertext[3] ^= 1 },
			"another key_id":                   func(e *service.EncryptResponse) { e.KeyID = "v1.00" },
			"another wrapped key":              func(e *service.EncryptResponse) { e.Annotations[transit.AnnotationKEK] = []byte("vault:v1:00") },
			"no annotations":                   func(e *service.EncryptResponse) { e.Annotations = nil },
			"nothing":                          func(e *service.EncryptResponse) { e.Ciphertext = nil },
		} {
			e := r.mustEncrypt("seed")
			change(e)
			_, err := r.decrypt(e)
			t.Log(name)
			wants(t, err, codes.InvalidArgument)
		}
		_, err := r.encrypt("")
		wants(t, err, codes.InvalidArgument, "empty plaintext")
		_, err = r.encrypt(strings.Repeat("x", envelope.MaxSeed+1))
		wants(t, err, codes.InvalidArgument, "the limit is 512")
	})
}
