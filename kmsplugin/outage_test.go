package kmsplugin

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

func TestInAnOutageEveryReplicaOpensWhatAnyOtherWrote(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		a, b := w.replica(nil), w.replica(nil) // b never writes
		w.store.fails(vaultGone())
		time.Sleep(time.Hour)
		e := a.mustEncrypt("written during the outage")
		b.mustDecrypt(e, "written during the outage")
	})
}

func TestReplicasSwitchTogetherAtTheAnnouncedInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		a, b := w.replica(nil), w.replica(nil)
		time.Sleep(10*time.Minute + 170*time.Millisecond)
		old := a.mustEncrypt("old")
		w.store.rotate()
		instant := w.store.key.Created[2].Add(3 * time.Minute).Add(-time.Hour) // on our clock
		time.Sleep(40 * time.Second)
		if c := a.kms.writer().Snapshot().Choice; c.Next != 2 || !c.At.Equal(instant.Add(time.Hour)) {
			t.Fatalf("announced: version %d at %v", c.Next, c.At)
		}
		time.Sleep(time.Until(instant.Add(-600 * time.Millisecond)))
		for _, r := range []*replica{a, b} {
			if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
				t.Error("switched too early")
			}
		}
		time.Sleep(1200 * time.Millisecond)
		one, two := a.mustEncrypt("new"), b.mustEncrypt("new")
		if one.KeyID == old.KeyID || one.KeyID != two.KeyID {
			t.Errorf("after the instant: %s and %s, before %s", one.KeyID, two.KeyID, old.KeyID)
		}
		b.mustDecrypt(old, "old")
		b.mustDecrypt(one, "new")
	})
}

func TestNoVersionIsPromotedInAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		r := w.replica(nil)
		old := r.mustEncrypt("x")
		w.store.rotate()
		time.Sleep(35 * time.Second) // the rotation is seen
		w.store.fails(vaultGone())
		time.Sleep(time.Hour)
		if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
			t.Error("promoted without Vault")
		}
		w.store.fails(nil)
		time.Sleep(2 * time.Minute) // others may see Vault again later
		if e := r.mustEncrypt("x"); e.KeyID != old.KeyID {
			t.Error("promoted as soon as Vault returned")
		}
		time.Sleep(time.Minute + 10*time.Second)
		if e := r.mustEncrypt("x"); e.KeyID == old.KeyID {
			t.Error("not promoted after Vault returned")
		}
	})
}

func TestAnOutageIsBridgedForAsLongAsTheLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		e := r.mustEncrypt("seed")
		time.Sleep(100 * time.Hour) // several leases of good service
		w.store.fails(vaultGone())
		time.Sleep(23*time.Hour + 58*time.Minute)
		r.mustEncrypt("still")
		r.mustDecrypt(e, "seed")
		time.Sleep(3 * time.Minute)
		wants(t, r.statusErr(), codes.Unavailable, "lease", "sealed")
		r.mustNotEncrypt(codes.Unavailable, "lease")
		r.mustNotDecrypt(e, codes.Unavailable, "lease")
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustEncrypt("again")
		r.mustDecrypt(e, "seed")
	})
}

func TestAReplicaThatStartsInAnOutageWaitsAndSaysWhy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.fails(vaultGone())
		r := w.replica(nil)
		wants(t, r.statusErr(), codes.Unavailable, "not ready", "Vault is sealed")
		r.mustNotEncrypt(codes.Unavailable, "not ready", "Vault is sealed")
		time.Sleep(time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "Vault is sealed")
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		r.mustEncrypt("x")
	})
}

func TestOneRefusalSuspendsAndASecondDropsWhereThatIsWanted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(dropping)
		e := r.mustEncrypt("seed")
		r.mustDecrypt(w.replica(func(c *Config) { c.Envelope = EnvelopeVault }).mustEncrypt("opened by Vault"), "opened by Vault")
		w.store.fails(keyRefused())
		for !r.suspended() {
			time.Sleep(100 * time.Millisecond)
		}
		if err := r.statusErr(); err != nil {
			t.Errorf("status fails on a suspicion: %v", err)
		}
		r.mustNotEncrypt(codes.PermissionDenied, "permission denied on the key")
		r.mustDecrypt(e, "seed")
		time.Sleep(7 * time.Second)
		wants(t, r.statusErr(), codes.PermissionDenied, "permission denied on the key")
		r.mustNotEncrypt(codes.PermissionDenied)
		r.mustNotDecrypt(e, codes.PermissionDenied)
		r.mustHoldKEKs(0)
		if seeds, _ := r.kms.cache.len(); seeds != 0 {
			t.Errorf("%d opened seeds still held", seeds)
		}
		w.store.fails(nil)
		time.Sleep(7 * time.Second)
		if again := r.mustEncrypt("x"); again.KeyID != e.KeyID {
			t.Error("another key_id afterwards")
		}
		r.mustDecrypt(e, "seed")
	})
}

func TestARefusalCanBeBridgedLikeAnOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.OnRefusal = RefusalLease })
		e := r.mustEncrypt("seed")
		w.store.fails(keyRefused())
		time.Sleep(23 * time.Hour)
		r.mustEncrypt("x")
		r.mustDecrypt(e, "seed")
		time.Sleep(2 * time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "lease")
	})
}

func TestAHungVaultHoldsNoCallerBeyondTheDeadline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		direct := w.replica(func(c *Config) { c.Envelope = EnvelopeVault })
		e := direct.mustEncrypt("seed")
		local := w.replica(nil)
		w.store.set(func(s *fakeStore) { s.hang = true })
		time.Sleep(time.Minute)
		start := time.Now()
		_, err := local.decrypt(e)
		if took := time.Since(start); took > 2500*time.Millisecond {
			t.Errorf("held for %v", took)
		}
		wants(t, err, codes.DeadlineExceeded)
		start = time.Now()
		local.mustEncrypt("x")
		if took := time.Since(start); took != 0 {
			t.Errorf("Encrypt waited %v for Vault", took)
		}
		// A promotion instant that falls into a hung probe is another test's.
	})
}

func TestAnOutageIsReportedWhenAskedFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.Outage.ReportAfter = 10 * time.Minute })
		e := r.mustEncrypt("x")
		w.store.fails(vaultGone())
		time.Sleep(5 * time.Minute)
		r.mustEncrypt("x")
		time.Sleep(10 * time.Minute)
		s, err := r.kms.Status(t.Context())
		if err != nil || s.KeyID != e.KeyID || !strings.Contains(s.Healthz, "sealed") {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

func TestAnUnsuitableKeyIsNamed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.set(func(s *fakeStore) {
			s.fail = &backend.Error{Class: backend.Unsuitable, Op: "read key", Reason: "its type is rsa-4096"}
		})
		wants(t, w.replica(nil).statusErr(), codes.FailedPrecondition, "rsa-4096")
	})
}
