package kmsplugin

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// faulty fails what it is told to, and leaves the rest to the store.
type faulty struct {
	fakeClient
	request func(ctx context.Context, op string, items int) error // nil fails none
	item    func(op string, version int) error                    // likewise
}

// on puts the faults between a replica and its key store.
func (f *faulty) on(p *Parts) {
	f.fakeClient = p.Writes.Backend.(fakeClient)
	p.Writes.Backend = f
}

func (f *faulty) ReadKey(ctx context.Context) (backend.Key, error) {
	f.mu.Lock() // set changes it while probes go on
	request := f.request
	f.mu.Unlock()
	if request != nil {
		if err := request(ctx, "read", 1); err != nil {
			return backend.Key{}, err
		}
	}
	return f.fakeClient.ReadKey(ctx)
}

func (f *faulty) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
	return fails(ctx, f, "hmac", items, f.fakeClient.HMAC, func(i backend.HMACItem) int { return i.Version })
}

func (f *faulty) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	return fails(ctx, f, "encrypt", items, f.fakeClient.Encrypt, func(i backend.EncryptItem) int { return i.Version })
}

func (f *faulty) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	return fails(ctx, f, "decrypt", items, f.fakeClient.Decrypt, func(i backend.DecryptItem) int {
		version, _ := transit.Version(i.Ciphertext)
		return version
	})
}

func fails[T any](ctx context.Context, f *faulty, op string, items []T, serve func(context.Context, []T) ([]backend.Result, error), version func(T) int) ([]backend.Result, error) {
	f.mu.Lock() // set changes them while probes go on
	request, item := f.request, f.item
	f.mu.Unlock()
	if request != nil {
		if err := request(ctx, op, len(items)); err != nil {
			return nil, err
		}
	}
	results, err := serve(ctx, items)
	for i := range results {
		if item == nil {
			break
		}
		if err := item(op, version(items[i])); err != nil {
			results[i] = backend.Result{Err: err}
		}
	}
	return results, err
}

// faultyReplica starts a replica whose key store has these faults, and returns
// them to be changed.
func (w *world) faultyReplica(f faulty) (*replica, *faulty) {
	return w.replicaWith(nil, f.on), &f
}

// requests makes all requests of one operation fail.
func requests(failing string, err error) func(context.Context, string, int) error {
	return func(_ context.Context, op string, _ int) error {
		if op == failing {
			return err
		}
		return nil
	}
}

// item makes one operation fail for one version.
func item(failing string, number int, err error) func(string, int) error {
	return func(op string, version int) error {
		if op == failing && version == number {
			return err
		}
		return nil
	}
}

func limited() error {
	return &backend.Error{Class: backend.Outage, Op: "test", Reason: "Vault limits the rate of requests"}
}

func late(ctx context.Context) error {
	<-ctx.Done()
	return &backend.Error{Class: backend.Outage, Op: "test", Reason: "no answer within the deadline",
		Err: fmt.Errorf("at %v: %w", time.Now(), ctx.Err())}
}

func TestTroubleWithANewVersionLeavesThoseThatServeTheirLease(t *testing.T) {
	inWorlds(t, map[string]faulty{
		"its derivation is limited": {request: requests("hmac", limited())},
		"its derivation is refused": {request: requests("hmac", keyRefused())},
		"its derivation hangs": {request: func(ctx context.Context, op string, _ int) error {
			if op == "hmac" {
				return late(ctx)
			}
			return nil
		}},
		"its wrapping fails":             {request: requests("encrypt", vaultGone())},
		"only its opening fails":         {item: item("decrypt", 2, vaultGone())},
		"only its opening is refused":    {item: item("decrypt", 2, keyRefused())},
		"what was wrapped does not open": {item: item("decrypt", 2, &backend.Error{Class: backend.Item, Op: "test", Reason: "authentication failed"})},
	}, func(t *testing.T, w *world, tc faulty) {
		r, f := w.faultyReplica(faulty{})
		old := r.mustEncrypt("x")
		f.set(func(*fakeStore) { f.request, f.item = tc.request, tc.item })
		w.store.rotate()
		time.Sleep(25 * time.Hour)
		r.mustDecrypt(old, "x")
		if e := r.mustEncrypt("y"); e.KeyID != old.KeyID {
			t.Error("written with a version that is not ready")
		}
		r.mustLog("a key version cannot be made ready", 1)
		f.set(func(*fakeStore) { f.request, f.item = nil, nil })
		time.Sleep(time.Minute)
		if e := r.mustEncrypt("z"); e.KeyID == old.KeyID {
			t.Error("not promoted once it could be made ready")
		}
	})
}

func TestOneAnswerAboutTheKeyTakesNothingFromItsNeighbours(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r, f := w.faultyReplica(faulty{})
		r.mustEncrypt("x")
		f.set(func(*fakeStore) { f.item = item("decrypt", 2, vaultGone()) })
		w.store.rotate()
		w.store.rotate()
		time.Sleep(time.Minute)
		r.mustHoldKEKs(2)
	})
}

func TestMoreVersionsThanOneProbeGetsThroughAreMadeReadyOneAfterTheOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const versions = 100
		for range versions - 1 {
			time.Sleep(time.Hour)
			w.store.rotate()
		}
		time.Sleep(time.Hour)
		var derived atomic.Int64
		r, _ := w.faultyReplica(faulty{request: func(ctx context.Context, op string, items int) error {
			if op != "hmac" {
				return nil
			}
			select {
			case <-time.After(450 * time.Millisecond * time.Duration((items+3)/4)):
				derived.Add(int64(items))
				return nil
			case <-ctx.Done():
				return late(ctx)
			}
		}})
		time.Sleep(time.Minute)
		r.mustEncrypt("x")
		r.mustHoldKEKs(versions)
		if n := derived.Load(); n != versions {
			t.Errorf("%d derivations for %d versions", n, versions)
		}
		r.mustLog("cannot be made ready", 0)
	})
}

func TestVersionsThatCannotBeDerivedKeepNoOtherFromBeingReady(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r, f := w.faultyReplica(faulty{})
		imported := func(op string, version int) error {
			if op == "hmac" && version%2 == 0 {
				return &backend.Error{Class: backend.Unsuitable, Op: op, Reason: "this key version was imported and has no HMAC key"}
			}
			return nil
		}
		f.set(func(*fakeStore) { f.item = imported })
		for range 16 {
			w.store.rotate()
		}
		time.Sleep(time.Minute)
		r.mustHoldKEKs(9)
		before := w.store.count()
		time.Sleep(time.Minute)
		if n := w.store.count() - before; n > 30 {
			t.Errorf("%d requests in a minute for versions that cannot be had", n)
		}
	})
}

func TestAStartThatCannotDeriveWaitsForVaultAndSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r, f := w.faultyReplica(faulty{request: requests("hmac", limited())})
		if s := r.kms.writer().Snapshot().Health; s.Class != backend.Outage {
			t.Errorf("the probe found %s", s.State())
		}
		f.set(func(*fakeStore) { f.request = nil })
		time.Sleep(6 * time.Second)
		r.mustEncrypt("x")
	})
}
