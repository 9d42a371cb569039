package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/cluster"
)

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
		if off := time.Until(entry.Time) - offset; off.Abs() > 5*time.Minute {
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
	return func() {
		// Enough to show something, however long that takes on a busy machine.
		f.soon(func(context.Context) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.writes < 100 {
				return fmt.Errorf("%d writes, fewer than 100", f.writes)
			}
			return nil
		})
		cancel()
		all.Wait()
	}
}

// soon waits for what must come within a promotion or two, and not for the whole
// test.
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

// info asks a plugin what it tells about itself.
func (f *fleet) info(p *cluster.Plugin) *pluginv1.GetInfoResponse {
	f.t.Helper()
	conn := must(grpc.NewClient("unix://"+p.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials())))(f.t)
	defer func() { f.check(conn.Close()) }()
	return must(pluginv1.NewPluginServiceClient(conn).GetInfo(f.ctx, &pluginv1.GetInfoRequest{}))(f.t)
}

// checkWrites demands that no write failed.
func (f *fleet) checkWrites() {
	f.t.Helper()
	if len(f.failures) > 0 {
		f.t.Errorf("%d of %d writes failed; the first: %v", len(f.failures), f.writes, f.failures[:min(len(f.failures), 3)])
	}
	f.t.Logf("%d writes", f.writes)
}
