package kmsplugin

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"k8s.io/kms/pkg/service"
)

// Instants that pass while a replica does not see the key store. With the default
// promotion delay a gap is 90 s or more.

// line is the way of one replica to the key store, which can be cut.
type line struct {
	faulty
	gone atomic.Bool
}

func (l *line) cut()  { l.gone.Store(true) }
func (l *line) mend() { l.gone.Store(false) }

// on puts the line between a replica and its key store.
func (l *line) on(p *Parts) {
	l.request = func(context.Context, string, int) error {
		if l.gone.Load() {
			return vaultGone()
		}
		return nil
	}
	l.faulty.on(p)
}

// pair is two replicas, each with a line of its own, an hour after their start.
func (w *world) pair() (a, b *replica, toA, toB *line) {
	w.t.Helper()
	time.Sleep(time.Hour)
	toA, toB = &line{}, &line{}
	a, b = w.replicaWith(nil, toA.on), w.replicaWith(nil, toB.on)
	time.Sleep(time.Hour)
	return a, b, toA, toB
}

func TestARotationThatAGapHidIsNotWrittenWithBeforeOthersCanHaveSeenIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, toA, toB := w.pair()
		toA.cut()
		toB.cut()
		time.Sleep(time.Minute)
		w.store.rotate()
		time.Sleep(10 * time.Minute)
		toA.mend()
		time.Sleep(10 * time.Second)
		e := a.mustEncrypt("by the one that is back")
		toA.cut()
		b.mustDecrypt(e, "by the one that is back")

		// What was put off passes in the second cut.
		var all []*service.EncryptResponse
		for range 10 {
			time.Sleep(time.Minute)
			all = append(all, a.mustEncrypt("in the second cut"))
		}
		for _, e := range all {
			b.mustDecrypt(e, "in the second cut")
		}

		// They return one after the other, and each switches a delay after that.
		toA.mend()
		time.Sleep(20 * time.Second)
		toB.mend()
		time.Sleep(2*time.Minute + 30*time.Second)
		if a.version() != 1 || b.version() != 1 {
			t.Errorf("versions %d and %d write too early", a.version(), b.version())
		}
		time.Sleep(20 * time.Second)
		if a.version() != 2 || b.version() != 1 {
			t.Errorf("versions %d and %d write, want 2 and 1", a.version(), b.version())
		}
		b.mustDecrypt(a.mustEncrypt("new"), "new")
		toB.cut()
		b.mustDecrypt(a.mustEncrypt("new"), "new") // it has had the version for long
		toB.mend()
		time.Sleep(20 * time.Second)
		b.mustWriteWith(2)
	})
}

func TestAnAnnouncedInstantThatPassesInAGapIsPutOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, toA, toB := w.pair()
		w.store.rotate()
		announced := w.store.key.Created[2].Add(3 * time.Minute)
		time.Sleep(40 * time.Second)
		toB.cut()
		time.Sleep(20 * time.Minute)
		b.mustDecrypt(a.mustEncrypt("new"), "new") // it saw the version before the cut
		if k := b.info().GetKeys()[0]; k.GetNextVersion() != 2 || !k.GetPromotes().AsTime().Equal(announced) || !k.GetAnnounced().AsTime().Equal(announced) {
			t.Errorf("overdue: %v", k)
		}
		toB.mend()
		returned := time.Now().Add(time.Hour) // on the key store's clock
		time.Sleep(10 * time.Second)
		k := b.info().GetKeys()[0]
		late := k.GetPromotes().AsTime().Sub(returned.Add(3 * time.Minute))
		if k.GetWriteVersion() != 1 || k.GetNextVersion() != 2 || late < -time.Second || late > 7*time.Second || !k.GetAnnounced().AsTime().Equal(announced) {
			t.Errorf("put off by %v more than expected: %v", late, k)
		}
		put := k.GetPromotes().AsTime()
		time.Sleep(2 * time.Minute)
		if k := b.info().GetKeys()[0]; !k.GetPromotes().AsTime().Equal(put) {
			t.Errorf("the instant moves with each probe: %v, before %v", k.GetPromotes().AsTime(), put)
		}
		time.Sleep(put.Sub(time.Now().Add(time.Hour)) + time.Second)
		b.mustWriteWith(2)
		_ = toA
	})
}

func TestAnInstantSoonAfterAGapIsPutOffToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b, toA, toB := w.pair()
		toA.cut()
		toB.cut()
		time.Sleep(time.Second)
		w.store.rotate()
		time.Sleep(2 * time.Minute) // less than the delay
		toA.mend()
		time.Sleep(65 * time.Second) // past the announced instant
		e := a.mustEncrypt("x")
		toA.cut()
		b.mustDecrypt(e, "x")
	})
}

func TestWhatIsNoGapPutsNothingOff(t *testing.T) {
	type row struct {
		config func(*Config)
		happen func(*world, *line)
	}
	inWorlds(t, map[string]row{
		"nothing happens": {happen: func(*world, *line) {}},
		"a cut of a minute": {happen: func(_ *world, l *line) {
			l.cut()
			time.Sleep(time.Minute)
			l.mend()
		}},
		"Vault takes long for each probe": {
			config: func(c *Config) { c.PromotionDelay, c.ProbeInterval = 30*time.Second, 10*time.Second },
			happen: func(w *world, _ *line) {
				w.store.set(func(s *fakeStore) { s.onCall = func(string) { time.Sleep(4 * time.Second) } })
				time.Sleep(10 * time.Minute)
			},
		},
	}, func(t *testing.T, w *world, tc row) {
		time.Sleep(time.Hour)
		l := &line{}
		r := w.replicaWith(tc.config, l.on)
		time.Sleep(time.Hour)
		w.store.rotate()
		tc.happen(w, l)
		delay := r.kms.config.PromotionDelay
		instant := w.store.key.Created[2].Add(delay - time.Hour)
		time.Sleep(time.Until(instant) + delay/2) // less than what would have put it off
		r.mustWriteWith(2)
	})
}

func TestAMachineThatSleptHasAGapBehindIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		var slept atomic.Int64
		store := w.store
		ahead := func() time.Duration { return time.Duration(slept.Load()) }
		store.clock = func() time.Time { return time.Now().Add(time.Hour + ahead()) }
		r := w.replicaWith(nil, func(p *Parts) {
			boot := p.Boot
			p.Boot = func() time.Duration { return boot() + ahead() }
			p.Writes.Backend = fakeClient{store, p.Boot}
		})
		time.Sleep(time.Hour)
		var asleep atomic.Bool
		store.set(func(s *fakeStore) {
			s.onCall = func(op string) {
				if op == "decrypt" && !asleep.Swap(true) { // in the midst of a probe, which then goes on
					slept.Add(int64(time.Minute))
					store.rotate()
					time.Sleep(time.Millisecond)
					slept.Add(int64(10 * time.Minute))
				}
			}
		})
		time.Sleep(90 * time.Second)
		if !asleep.Load() || r.version() != 1 {
			t.Errorf("asleep %v: version %d writes", asleep.Load(), r.version())
		}
		time.Sleep(3 * time.Minute)
		r.mustWriteWith(2)
	})
}

func TestAReplicaThatStartsKeepsTheAnnouncedInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		l := &line{}
		l.cut()
		r := w.replicaWith(nil, l.on)
		w.store.rotate()
		time.Sleep(10 * time.Minute)
		l.mend()
		time.Sleep(10 * time.Second)
		r.mustWriteWith(2)

		w.store.rotate()
		time.Sleep(time.Minute)
		r = w.replica(nil)
		time.Sleep(time.Until(w.store.key.Created[3].Add(3*time.Minute-time.Hour)) - 2*time.Second)
		r.mustWriteWith(2)
		time.Sleep(4 * time.Second)
		r.mustWriteWith(3)
	})
}

// One that was restored knows what it held before, so it has the gap that its
// process before began.
func TestARestartInAGapDoesNotEndIt(t *testing.T) {
	inWorlds(t, map[string]bool{"the rotation was seen before": true, "it was not": false}, func(t *testing.T, w *world, known bool) {
		time.Sleep(time.Hour)
		m, l := &memory{}, &line{}
		parts := func(p *Parts) { m.on("boot")(p); l.on(p) }
		r := w.replicaWith(nil, parts)
		time.Sleep(time.Hour)
		if known {
			w.store.rotate()
			time.Sleep(40 * time.Second)
		}
		l.cut()
		time.Sleep(time.Minute)
		if !known {
			w.store.rotate()
		}
		time.Sleep(time.Minute)
		r.stop()
		time.Sleep(10 * time.Minute)
		r = w.replicaWith(nil, parts)
		time.Sleep(time.Minute)
		l.mend()
		time.Sleep(time.Minute)
		r.mustWriteWith(1)
		// A short restart neither begins nor ends anything.
		r.stop()
		r = w.replicaWith(nil, parts)
		time.Sleep(time.Minute)
		r.mustWriteWith(1)
		time.Sleep(70 * time.Second)
		r.mustWriteWith(2)
	})
}

func TestWhatWasAnnouncedBeforeARestartIsToldBeforeTheFirstProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		w.store.rotate()
		time.Sleep(time.Minute)
		before := r.info().GetKeys()[0]
		r.stop()
		p := Parts{Writes: Source{Name: "vault", Path: "transit/k8s", Backend: fakeClient{w.store, r.kms.boot}},
			Boot: r.kms.boot, Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler)}
		m.on("boot")(&p)
		after := (&replica{t: t, kms: NewService(testConfig(), p)}).info().GetKeys()[0]
		if after.GetNextVersion() != 2 || !after.GetPromotes().AsTime().Equal(before.GetPromotes().AsTime()) ||
			!after.GetAnnounced().AsTime().Equal(before.GetAnnounced().AsTime()) {
			t.Errorf("after the restart: %v, before: %v", after, before)
		}
	})
}

func TestARestartThatIsShortKeepsTheAnnouncedInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		m := &memory{}
		r := w.replicaWith(nil, m.on("boot"))
		time.Sleep(time.Hour)
		w.store.rotate()
		time.Sleep(100 * time.Second)
		r.stop()
		time.Sleep(50 * time.Second) // and up to 33 since the last probe: less than half the delay
		r = w.replicaWith(nil, m.on("boot"))
		time.Sleep(35 * time.Second)
		r.mustWriteWith(2)
	})
}

func TestARefusalIsAGapToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		time.Sleep(time.Hour)
		r := w.replica(nil)
		time.Sleep(time.Hour)
		w.store.rotate()
		w.store.fails(keyRefused())
		time.Sleep(10 * time.Minute)
		wants(t, r.statusErr(), codes.PermissionDenied)
		w.store.fails(nil)
		time.Sleep(time.Minute)
		r.mustWriteWith(1)
		time.Sleep(2*time.Minute + 10*time.Second)
		r.mustWriteWith(2)
	})
}

func TestAnOverduePromotionIsInTheMetrics(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, b, _, toB := w.pair()
		const next, at, announced = "sealproof_next_write_version", "sealproof_promotion_timestamp_seconds", "sealproof_promotion_announced_timestamp_seconds"
		all := func() map[string]float64 {
			values := map[string]float64{}
			for _, name := range []string{next, at, announced} {
				values[name] = b.labelled(name)[""]
			}
			return values
		}
		if m := all(); m[next] != 0 || m[at] != 0 || m[announced] != 0 {
			t.Errorf("nothing waits: %v", m)
		}
		w.store.rotate()
		time.Sleep(40 * time.Second)
		first := float64(w.store.key.Created[2].Add(3*time.Minute).UnixMilli()) / 1000
		if m := all(); m[next] != 2 || m[at] != first || m[announced] != first {
			t.Errorf("announced for %v: %v", first, m)
		}
		toB.cut()
		time.Sleep(10 * time.Minute)
		toB.mend()
		time.Sleep(10 * time.Second)
		if m := all(); m[next] != 2 || m[at] < first+600 || m[announced] != first {
			t.Errorf("put off from %v: %v", first, m)
		}
	})
}
