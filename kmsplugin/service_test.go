package kmsplugin

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestAForeignClustersNameIsClippedInErrors(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("x")
		e.Annotations[transit.AnnotationCluster] = make([]byte, 30_000)
		_, err := r.decrypt(e)
		wants(t, err, codes.FailedPrecondition, "accept-clusters")
		if n := len(err.Error()); n > 1024 {
			t.Errorf("the error has %d bytes", n)
		}
	})
}

func TestAnEncryptThatFailsHasTheKeyLookedAtSoon(t *testing.T) {
	for _, class := range []backend.Class{backend.Item, backend.VersionRefusal, backend.Outage} {
		t.Run(class.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				r := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
				w.store.set(func(s *fakeStore) {
					s.failItem["encrypt"] = &backend.Error{Class: class, Op: "encrypt", Reason: "not under this version"}
				})
				looks := w.store.count("read")
				if _, err := r.encrypt("x"); err == nil {
					t.Fatal("it does not fail")
				}
				time.Sleep(2 * keystate.ProbeGap) // the next probe is due much later
				if w.store.count("read") == looks {
					t.Error("the key was not looked at")
				}
			})
		})
	}
}

func TestCiphertextThatAnotherPluginHasBoundIsSaidToBeThatPluginsAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		results := testkit.Must(w.store.Encrypt(t.Context(), []backend.EncryptItem{{Version: 1, Plaintext: []byte("x"), AssociatedData: []byte("its own")}}))(t)
		bound := &service.EncryptResponse{Ciphertext: results[0].Data, KeyID: "1"}
		r.mustNotDecrypt(bound, codes.InvalidArgument, "message authentication failed", "associated data", "only that plugin can open it")
		// Nothing of the kind is said of our own, nor while Vault is away.
		bound.Annotations = map[string][]byte{transit.AnnotationCluster: []byte("prod")}
		if _, err := r.decrypt(bound); err == nil || strings.Contains(public(err).Error(), foreignData) {
			t.Errorf("of what this cluster has bound: %v", err)
		}
		w.store.fails(vaultGone())
		bound.Annotations = nil
		if _, err := r.decrypt(bound); err == nil || strings.Contains(public(err).Error(), foreignData) {
			t.Errorf("in an outage: %v", err)
		}
	})
}
