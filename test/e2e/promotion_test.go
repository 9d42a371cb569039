package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/cluster"
)

const (
	// promotionDelay is short, and still long enough for all replicas to announce a
	// version and for Vault to be lost within the first half, on a busy machine too.
	promotionDelay = 20 * time.Second
	// probeInterval is how late replicas would be that switched when they next look
	// at the key. Their clocks are further apart by minutes.
	probeInterval = 2 * time.Second
	// maxSpread is within what replicas must switch, and how far from the announced
	// instant. It is below probeInterval, and far above what a busy machine adds.
	maxSpread = probeInterval * 3 / 4
)

// await waits until every plugin writes with a version, and returns how far
// apart the first and the last were.
func (f *fleet) await(version int) (first, last time.Time) {
	f.t.Helper()
	for i, p := range f.plugins {
		f.soon(func(context.Context) error {
			if got := f.latest(i).version; got != version {
				return fmt.Errorf("%s writes with version %d, not %d", p.Name(), got, version)
			}
			return nil
		})
	}
	return f.span(version)
}

// span returns when the first and the last plugin switched to a version.
func (f *fleet) span(version int) (first, last time.Time) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, seen := range f.switches {
		n := slices.IndexFunc(seen, func(s keySwitch) bool { return s.version == version })
		if n < 0 {
			f.t.Fatalf("%s never wrote with version %d", f.plugins[i].Name(), version)
		}
		if at := seen[n].at; first.IsZero() || at.Before(first) {
			first = at
		}
		if at := seen[n].at; at.After(last) {
			last = at
		}
	}
	return first, last
}

// together checks that all have switched to a version at its instant.
func (f *fleet) together(version int, announced time.Time) {
	f.t.Helper()
	first, last := f.span(version)
	f.t.Logf("version %d: first replica %v after the instant, last %v later", version, first.Sub(announced).Round(time.Millisecond), last.Sub(first).Round(time.Millisecond))
	if spread := last.Sub(first); spread >= maxSpread {
		f.t.Errorf("version %d: the replicas switched %v apart", version, spread)
	}
	for _, at := range []time.Time{first, last} {
		if off := at.Sub(announced); off.Abs() >= maxSpread {
			f.t.Errorf("version %d: a replica switched %v after the announced instant", version, off)
		}
	}
}

// announced waits until every plugin says that a version comes next, and returns
// the instant, on which they must agree.
func (f *fleet) announced(version int) (instant time.Time) {
	f.t.Helper()
	want := f.instant(version)
	for _, p := range f.plugins {
		f.soon(func(ctx context.Context) error {
			m, err := p.Metrics(ctx)
			if err != nil {
				return err
			}
			if next, _ := m.Sum("sealproof_next_write_version"); int(next) != version {
				return fmt.Errorf("%s announces version %g, not %d", p.Name(), next, version)
			}
			if at, _ := m.Sum("sealproof_promotion_timestamp_seconds"); int64(at) != want.Unix() {
				return fmt.Errorf("%s announces it for %d, not %d", p.Name(), int64(at), want.Unix())
			}
			return nil
		})
		key := f.info(p).GetKeys()[0]
		if int(key.GetNextVersion()) != version || !key.GetPromotes().AsTime().Equal(want) {
			f.t.Errorf("%s tells of version %d at %v, not %d at %v", p.Name(), key.GetNextVersion(), key.GetPromotes().AsTime(), version, want)
		}
		said := fmt.Sprintf(`"key version will be promoted","version":%d,"at":%q`, version, want.UTC().Format(time.RFC3339))
		if !strings.Contains(must(p.Log())(f.t), said) {
			f.t.Errorf("the log of %s does not say %s", p.Name(), said)
		}
	}
	return want
}

// instant is when a version is to be promoted: its creation, as Vault has it,
// and the delay.
func (f *fleet) instant(version int) time.Time {
	f.t.Helper()
	secret := must(f.vault.Client().Logical().ReadWithContext(f.ctx, cluster.TransitMount+"/keys/"+keyName))(f.t)
	keys, _ := secret.Data["keys"].(map[string]any)
	created, _ := keys[fmt.Sprint(version)].(json.Number)
	seconds, err := created.Int64()
	if err != nil {
		f.t.Fatalf("Vault lists no version %d: %v", version, keys)
	}
	return time.Unix(seconds, 0).Add(promotionDelay)
}

func (f *fleet) addVersion() (version int) {
	f.t.Helper()
	return must(f.vault.Rotate(f.ctx, keyName))(f.t)
}

func TestReplicasSwitchTogetherWhateverTheirClocks(t *testing.T) {
	t.Parallel()
	config := map[string]any{"promotion-delay": promotionDelay.String(), "probe-interval": probeInterval.String()}
	f := newFleet(t, config, 0, 10*time.Minute, -10*time.Minute)
	stop := f.watch()
	f.await(1)

	v := f.addVersion()
	instant := f.announced(v)
	f.await(v)
	f.together(v, instant)

	f.twoRotationsWithinTheDelay()
	f.threeRotationsWithinOneSecond()
	f.minimumRaisedWithinTheDelay()
	final := f.vaultLostBeforeTheInstant()

	// The API servers follow under the same load, at their own polls.
	for _, a := range f.servers {
		f.check(a.WaitKeyID(f.ctx, final))
	}
	stop()
	f.checkHistory()
	for _, a := range f.servers {
		f.restart(a)
		f.readAll(a)
	}
}

// twoRotationsWithinTheDelay are two promotions, each at its own instant.
func (f *fleet) twoRotationsWithinTheDelay() {
	f.t.Helper()
	one := f.addVersion()
	first := f.announced(one)
	f.waitUntil(first.Add(time.Second - promotionDelay)) // Vault's times are whole seconds
	two := f.addVersion()
	second := f.instant(two)
	f.await(two)
	if !second.After(first) {
		f.t.Errorf("versions %d and %d have one instant, %v", one, two, first)
	}
	f.together(one, first)
	f.together(two, second)
}

// threeRotationsWithinOneSecond have one creation time in Vault, and so one
// instant: the last is promoted and the others never write.
func (f *fleet) threeRotationsWithinOneSecond() {
	f.t.Helper()
	var first, last int
	var instant time.Time
	for {
		// From the beginning of a second on, so that they fit into it.
		f.waitUntil(time.Now().Truncate(time.Second).Add(time.Second))
		first, _, last = f.addVersion(), f.addVersion(), f.addVersion()
		if instant = f.instant(last); f.instant(first).Equal(instant) {
			break
		}
		f.t.Logf("versions %d to %d were not made within one second: once more", first, last)
	}
	f.await(last)
	f.together(last, instant)
	for i, p := range f.plugins {
		f.mu.Lock()
		seen := f.switches[i]
		f.mu.Unlock()
		if slices.ContainsFunc(seen, func(s keySwitch) bool { return s.version >= first && s.version < last }) {
			f.t.Errorf("%s wrote with versions of one instant one after the other: %v", p.Name(), seen)
		}
	}
}

// minimumRaisedWithinTheDelay forces the new version at once.
func (f *fleet) minimumRaisedWithinTheDelay() {
	f.t.Helper()
	v := f.addVersion()
	instant := f.announced(v)
	f.check(f.vault.ConfigureKey(f.ctx, keyName, map[string]any{"min_encryption_version": v}))
	_, last := f.await(v)
	f.t.Logf("version %d, forced: the last replica %v before the instant", v, instant.Sub(last).Round(time.Millisecond))
	if !last.Before(instant) {
		f.t.Errorf("version %d was forced, and the last replica switched %v after its instant", v, last.Sub(instant))
	}
}

// vaultLostBeforeTheInstant checks that no plugin switches and that a starting one
// waits; once Vault is back all agree.
func (f *fleet) vaultLostBeforeTheInstant() (keyID string) {
	f.t.Helper()
	v, instant := f.announcedEarly()
	before := f.latest(0)
	f.check(f.vault.Kill())
	late := f.plugins[2]
	f.restart(late)
	f.waitUntil(instant.Add(2 * maxSpread))
	for i := range f.plugins[:2] {
		if got := f.latest(i); got.keyID != before.keyID {
			f.t.Errorf("in the outage %s switched to version %d", f.plugins[i].Name(), got.version)
		}
	}
	if err := statusError(f.stack, late); err == nil {
		f.t.Error("a plugin that started in the outage serves")
	}
	f.check(f.vault.Restart(f.ctx))
	f.await(v)
	return f.latest(0).keyID
}

// announcedEarly adds a version that is announced soon enough to lose Vault in time:
// in the second half of the delay a replica may rely on its last look.
func (f *fleet) announcedEarly() (version int, instant time.Time) {
	f.t.Helper()
	const tries = 5
	for range tries {
		version = f.addVersion()
		instant = f.announced(version)
		if time.Until(instant) > promotionDelay/2+maxSpread {
			return version, instant
		}
		f.t.Logf("version %d was announced too late to lose Vault before its instant: once more", version)
		f.await(version)
	}
	f.t.Fatalf("%d times the replicas took longer than a third of %v to announce a version", tries, promotionDelay)
	return 0, time.Time{}
}

// checkHistory looks at everything that was seen: no write failed, no key_id
// went back, and the replicas never had two key_ids for one version.
func (f *fleet) checkHistory() {
	f.t.Helper()
	f.checkWrites()
	ids := map[int]string{}
	for i, seen := range f.switches {
		for n, s := range seen {
			if n > 0 && s.version <= seen[n-1].version {
				f.t.Errorf("%s went back from version %d to %d", f.plugins[i].Name(), seen[n-1].version, s.version)
			}
			if other, found := ids[s.version]; found && other != s.keyID {
				f.t.Errorf("version %d has the key_ids %s and %s", s.version, other, s.keyID)
			}
			ids[s.version] = s.keyID
		}
	}
	known := slices.Collect(maps.Values(ids))
	for keyID, n := range must(f.etcd.SealedSecrets(f.ctx))(f.t).KeyIDs {
		if !slices.Contains(known, keyID) {
			f.t.Errorf("%d Secrets are stored under %q, which no Status named", n, keyID)
		}
	}
}
