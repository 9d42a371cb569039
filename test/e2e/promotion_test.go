package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/cluster"
)

// promotionDelay is short, and still long enough for Vault to be lost within
// its first half.
const promotionDelay = 6 * time.Second

// maxSpread is within what replicas must switch, and how far from the announced
// instant.
const maxSpread = time.Second

// fleet is plugins on several nodes, two API servers that are written to all the
// time, and what was seen of them.
type fleet struct {
	*stack

	plugins []*cluster.Plugin
	servers []*cluster.APIServer

	mu       sync.Mutex
	switches [][]keySwitch // of each plugin, the first key_id included
	failures []error
	writes   int
}

// keySwitch is the first Status answer that named a key_id.
type keySwitch struct {
	version int
	keyID   string
	at      time.Time
}

// newFleet starts a plugin on a node for each offset of its clock, and two API
// servers.
func newFleet(t *testing.T, config map[string]any, offsets ...time.Duration) *fleet {
	t.Helper()
	f := &fleet{stack: newStack(t)}
	for i, offset := range offsets {
		opts := f.options(fmt.Sprint(i), config)
		opts.ClockOffset = offset
		f.plugins = append(f.plugins, must(f.c.StartPlugin(f.ctx, opts))(t))
		f.switches = append(f.switches, nil)
	}
	f.checkClocks(offsets)
	for i, p := range f.plugins[:2] {
		f.servers = append(f.servers, f.apiServer(fmt.Sprint(i), p))
	}
	return f
}

// checkClocks makes sure that the nodes' clocks are as wrong as they are meant
// to be: else everything below would show nothing.
func (f *fleet) checkClocks(offsets []time.Duration) {
	f.t.Helper()
	for i, offset := range offsets {
		line, _, _ := strings.Cut(must(f.plugins[i].Log())(f.t), "\n")
		var entry struct{ Time time.Time }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			f.t.Fatalf("the log of %s begins with %q: %v", f.plugins[i].Name(), line, err)
		}
		if off := time.Until(entry.Time) - offset; off.Abs() > time.Minute {
			f.t.Fatalf("the clock of %s is %v off where %v was meant", f.plugins[i].Name(), time.Until(entry.Time), offset)
		}
	}
}

// watch asks every plugin for its Status, and writes to every API server, until
// the returned function is called.
func (f *fleet) watch() (stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	var all sync.WaitGroup
	every := func(interval time.Duration, do func(n int)) {
		all.Go(func() {
			tick := time.NewTicker(interval)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					do(n)
				}
			}
		})
	}
	for i := range f.plugins {
		every(5*time.Millisecond, func(int) { f.look(i) })
	}
	for i, a := range f.servers {
		every(40*time.Millisecond, func(n int) {
			// Not ctx: its end must not look like a write that failed.
			err := f.secrets.Put(f.ctx, a, namespace, fmt.Sprintf("rotating-%d-%02d", i, n%20))
			f.mu.Lock()
			defer f.mu.Unlock()
			f.writes++
			if err != nil {
				f.failures = append(f.failures, err)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// soon waits for what must come within seconds, and not for the whole test.
func (f *fleet) soon(try func(context.Context) error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, 10*promotionDelay)
	defer cancel()
	f.check(cluster.Until(ctx, try))
}

// look notes the key_id of one plugin if it is a new one.
func (f *fleet) look(i int) {
	keyID, err := f.plugins[i].KeyID(f.ctx)
	if err != nil {
		return // it was stopped, or waits for Vault
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.switches[i]
	if len(seen) > 0 && seen[len(seen)-1].keyID == keyID {
		return
	}
	s := keySwitch{keyID: keyID, at: now}
	if _, err := fmt.Sscanf(keyID, "v%d.", &s.version); err != nil {
		f.failures = append(f.failures, fmt.Errorf("%s names the key_id %q", f.plugins[i].Name(), keyID))
	}
	f.switches[i] = append(seen, s)
}

// latest returns the last switch of a plugin.
func (f *fleet) latest(i int) keySwitch {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seen := f.switches[i]; len(seen) > 0 {
		return seen[len(seen)-1]
	}
	return keySwitch{}
}

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

// info asks a plugin what it tells about itself.
func (f *fleet) info(p *cluster.Plugin) *pluginv1.GetInfoResponse {
	f.t.Helper()
	conn := must(grpc.NewClient("unix://"+p.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials())))(f.t)
	defer func() { f.check(conn.Close()) }()
	return must(pluginv1.NewPluginServiceClient(conn).GetInfo(f.ctx, &pluginv1.GetInfoRequest{}))(f.t)
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
	f := newFleet(t, map[string]any{"promotion-delay": promotionDelay.String()}, 0, 10*time.Minute, -10*time.Minute)
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

// vaultLostBeforeTheInstant lets nobody switch, and a plugin that starts then
// waits; once Vault is back all agree.
func (f *fleet) vaultLostBeforeTheInstant() (keyID string) {
	f.t.Helper()
	v := f.addVersion()
	instant := f.announced(v)
	// In the second half of the delay a replica may rely on its last look.
	for time.Until(instant) < promotionDelay/2+maxSpread {
		f.t.Logf("version %d was announced too late to lose Vault before its instant: once more", v)
		f.await(v)
		v = f.addVersion()
		instant = f.announced(v)
	}
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

// checkWrites demands that there were writes, and that none failed.
func (f *fleet) checkWrites() {
	f.t.Helper()
	if len(f.failures) > 0 || f.writes < 100 {
		f.t.Errorf("%d of %d writes failed; the first: %v", len(f.failures), f.writes, f.failures[:min(len(f.failures), 3)])
	}
	f.t.Logf("%d writes", f.writes)
}
