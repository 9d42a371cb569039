package kmsplugin

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/kmsplugin/keystate"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestAPromotionThatCannotComeIsNotAnnounced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		r := w.replica(dropping)
		w.store.rotate()
		time.Sleep(40 * time.Second)
		if next := r.kms.writer().Snapshot().Choice.Next; next != 2 {
			t.Fatalf("version %d is next", next)
		}
		w.store.fails(keyRefused())
		time.Sleep(time.Minute) // both versions are dropped
		w.store.set(func(s *fakeStore) { s.fail, s.failItem["hmac"] = nil, keyRefused() })
		time.Sleep(3 * time.Minute) // the instant has passed
		if next := r.kms.writer().Snapshot().Choice.Next; next != 0 {
			t.Errorf("version %d is announced, which is not ready", next)
		}
		w.store.set(func(s *fakeStore) { delete(s.failItem, "hmac") })
		time.Sleep(6 * time.Second) // what cannot write is probed as often as what fails
		if e := r.mustEncrypt("x"); !strings.HasPrefix(e.KeyID, "v2.") {
			t.Errorf("writes with %s afterwards", e.KeyID)
		}
	})
}

func TestAfterALeaseHasEndedWhatIsAmissNowIsTheReason(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(nil)
		r.mustEncrypt("x")
		w.store.fails(vaultGone())
		time.Sleep(25 * time.Hour)
		wants(t, r.statusErr(), codes.Unavailable, "the lease", "for 25h0m", "Vault is sealed")
		w.store.set(func(s *fakeStore) { s.fail, s.failItem["hmac"] = nil, keyRefused() })
		time.Sleep(time.Minute)
		wants(t, r.statusErr(), codes.PermissionDenied, "not ready", "permission denied on the key")
	})
}

func TestALeaseThatEndsWhileVaultAnswersSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.ProbeInterval, c.PromotionDelay = 10*time.Minute, time.Hour })
		r.mustEncrypt("x")
		w.store.set(func(s *fakeStore) { s.garble = true }) // whatever it opens comes back different
		for r.statusErr() == nil {
			time.Sleep(time.Minute)
		}
		text := status.Convert(public(r.statusErr())).Message()
		if !strings.Contains(text, "the lease") || !strings.Contains(text, "for 24h") || strings.Contains(text, "()") {
			t.Errorf("it says %q", text)
		}
	})
}

func TestTheLeaseThatIsLeftOfAPreviousKeyIsSaid(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.second("old")
		r := w.replicaWith(nil, previous(old))
		old.fails(vaultGone())
		time.Sleep(time.Minute)
		said := 0
		for line := range strings.Lines(r.log.String()) {
			var l struct {
				Source string
				Left   time.Duration `json:"lease_left"`
			}
			testkit.Check(t, json.Unmarshal([]byte(line), &l))
			if strings.Contains(line, "does not serve the key") {
				said++
				if l.Source != "previous[0]" || l.Left < 23*time.Hour {
					t.Errorf("lease left: %v of %q", l.Left, l.Source)
				}
			}
		}
		if said != 1 {
			t.Errorf("said %d times", said)
		}
	})
}

func TestARequestThatMeetsSomethingDuringAProbeIsFollowedByAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var probes atomic.Int64
		r := w.replica(nil)
		w.store.set(func(s *fakeStore) {
			s.onCall = func(op string) {
				if op != "read" {
					return
				}
				if probes.Add(1) == 1 {
					time.Sleep(time.Second)
					r.kms.writer().ProbeSoon()
					time.Sleep(time.Second)
				}
			}
		})
		for probes.Load() == 0 {
			time.Sleep(time.Second)
		}
		time.Sleep(2*time.Second + keystate.ProbeGap + time.Second)
		if n := probes.Load(); n != 2 {
			t.Errorf("%d probes, want the one that was under way and one more", n)
		}
		time.Sleep(20 * time.Second)
		if n := probes.Load(); n != 2 {
			t.Errorf("%d probes, want no more until the next interval", n)
		}
	})
}
