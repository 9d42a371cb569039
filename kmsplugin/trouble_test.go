package kmsplugin

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Trouble that changes its kind, and refusals in quick succession.

func TestTroubleLastsSinceItBeganWhateverItIsNow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.replica(func(c *Config) { c.Outage.ReportAfter = 20 * time.Minute })
		r.mustEncrypt("x")
		began := time.Now()
		for _, err := range []error{
			vaultGone(),
			&backend.Error{Class: backend.Credentials, Op: "log in", Reason: "secret-id expired"},
			&backend.Error{Class: backend.Unsuitable, Op: "read the key", Reason: "its type is rsa-4096"},
			vaultGone(),
		} {
			w.store.fails(err)
			time.Sleep(7 * time.Minute)
			failing := r.info().GetKeys()[0].GetProbe().GetFailing().AsDuration()
			if late := time.Since(began) - failing; late < 0 || late > 40*time.Second {
				t.Errorf("%v: said to last for %v, it does for %v", err, failing, time.Since(began))
			}
		}
		if s, err := r.kms.Status(t.Context()); err != nil || !strings.Contains(s.Healthz, "has not served the key for 2") {
			t.Errorf("healthz: %+v, %v", s, err)
		}
		w.store.fails(nil)
		time.Sleep(10 * time.Second)
		w.store.fails(vaultGone())
		time.Sleep(time.Minute)
		if failing := r.info().GetKeys()[0].GetProbe().GetFailing().AsDuration(); failing > time.Minute {
			t.Errorf("after it was over it is said to last for %v", failing)
		}
	})
}

func TestRefusalsInQuickSuccessionAreOneUntilTheGapIsOver(t *testing.T) {
	type row struct {
		failing time.Duration
		kicked  bool // as requests that fail do
	}
	inWorlds(t, map[string]row{
		"probes in quick succession":    {failing: 200 * time.Millisecond},
		"probes that requests call for": {failing: 30 * time.Second, kicked: true},
		"both":                          {failing: 200 * time.Millisecond, kicked: true},
	}, func(t *testing.T, w *world, tc row) {
		r := w.replica(func(c *Config) { c.ProbeIntervalFault = tc.failing })
		e := r.mustEncrypt("x")
		w.store.fails(keyRefused())
		for !r.suspended() {
			time.Sleep(10 * time.Millisecond)
		}
		first := time.Now()
		for time.Since(first) < 4900*time.Millisecond {
			if tc.kicked {
				r.kms.writer().ProbeSoon()
			}
			time.Sleep(100 * time.Millisecond)
			r.mustDecrypt(e, "x")
		}
		for time.Since(first) < 8*time.Second {
			if tc.kicked {
				r.kms.writer().ProbeSoon()
			}
			time.Sleep(100 * time.Millisecond)
		}
		r.mustNotDecrypt(e, codes.PermissionDenied)
	})
}
