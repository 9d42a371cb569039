package faults

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/rig"
)

// callers are how many ask at once.
const callers = 64

// plane is a control plane whose network to Vault can be spoiled, with two
// plugins on one key.
type plane struct {
	ctx     context.Context
	c       *cluster.Cluster
	vault   *cluster.Vault
	role    cluster.AppRole
	proxy   *cluster.Proxy
	secrets *cluster.SecretWriter
	results *results

	etcd *cluster.Etcd      // nil without an API server
	api  *cluster.APIServer // writes through local; nil where nothing is stored
	// local seals seeds itself, direct has Vault wrap every one.
	local, direct *cluster.Plugin

	// held is something that local has sealed, under the first key version.
	held *kms.DecryptRequest
	pool chan *kms.DecryptRequest
	uids atomic.Int64
}

// newVault starts Vault, with a key, a role and a proxy in front of it.
func newVault(t *testing.T, results *results, nodes int) *plane {
	t.Helper()
	c, _ := rig.Start(t, programs)
	p := &plane{ctx: groupContext(t), c: c, secrets: cluster.NewSecretWriter(), results: results,
		pool: make(chan *kms.DecryptRequest, 4096)}
	p.vault, p.role = rig.StartVault(p.ctx, t, c, nodes, keyName)
	p.proxy = must(c.StartProxy(p.vault.Address(0)))(t)
	return p
}

// newPlane starts all of a control plane.
func newPlane(t *testing.T, results *results) *plane {
	t.Helper()
	p := newVault(t, results, 1)
	p.local = p.plugin(t, "local", nil)
	p.direct = p.plugin(t, "direct", map[string]any{"envelope": "vault"})
	p.seal(t)
	p.etcd = must(p.c.StartEtcd(p.ctx, 1))(t)
	p.api = p.apiServer(t, "a", p.local)
	p.write(t, "before", 10)
	return p
}

// plugin starts one that reaches Vault through the proxy, with changes over a
// configuration that is quick to notice things.
func (p *plane) plugin(t *testing.T, name string, changes map[string]any) *cluster.Plugin {
	t.Helper()
	config := map[string]any{"probe-interval": "200ms", "probe-interval-failing": "200ms", "promotion-delay": "2s"}
	maps.Copy(config, changes)
	return must(p.c.StartPlugin(p.ctx, cluster.PluginOptions{
		Name: name, Vault: p.vault, Role: p.role, Key: keyName, Addresses: []string{p.proxy.URL}, Config: config,
	}))(t)
}

func (p *plane) apiServer(t *testing.T, name string, plugin *cluster.Plugin) *cluster.APIServer {
	t.Helper()
	encryption := must(cluster.EncryptSecrets(plugin.Provider(providerName)))(t)
	return must(p.c.StartAPIServer(p.ctx, cluster.APIServerOptions{Name: name, Etcd: p.etcd, Encryption: encryption}))(t)
}

func (p *plane) write(t *testing.T, prefix string, n int) {
	t.Helper()
	check(t, p.secrets.Create(p.ctx, p.api, namespace, prefix, n))
}

// readAll reads every Secret that was ever written and compares it.
func (p *plane) readAll(t *testing.T, a *cluster.APIServer) {
	t.Helper()
	want := p.secrets.Len() // others may be written meanwhile
	n, err := p.secrets.ReadBackAll(p.ctx, a)
	check(t, err)
	if n < want || n == 0 {
		t.Fatalf("read %d Secrets back of %d", n, want)
	}
}

// readStored reads all, if anything is stored here.
func (p *plane) readStored(t *testing.T) {
	t.Helper()
	if p.api != nil {
		p.readAll(t, p.api)
	}
}

// prove ends a group: an API server that has just started, and has cached
// nothing, reads every Secret.
func (p *plane) prove(t *testing.T, servers ...*cluster.APIServer) {
	t.Helper()
	for _, a := range servers {
		check(t, a.Restart(p.ctx))
		p.readAll(t, a)
	}
}

// seal makes local seal something.
func (p *plane) seal(t *testing.T) {
	t.Helper()
	sealed := must(p.local.KMS().Encrypt(p.ctx, &kms.EncryptRequest{Plaintext: []byte("held"), Uid: "held"}))(t)
	p.held = &kms.DecryptRequest{Uid: "held", KeyId: sealed.GetKeyId(), Ciphertext: sealed.GetCiphertext(), Annotations: sealed.GetAnnotations()}
}

// wrap has Vault wrap n seeds under the first key version, as other Transit
// plugins do. No plugin has any of them in memory.
func (p *plane) wrap(t *testing.T, n int) {
	t.Helper()
	var batch []map[string]any
	for range n {
		text := fmt.Appendf(nil, "seed %d", p.uids.Add(1))
		batch = append(batch, map[string]any{"plaintext": base64.StdEncoding.EncodeToString(text), "key_version": 1})
	}
	answer := must(p.vault.Client().Logical().WriteWithContext(p.ctx, cluster.TransitMount+"/encrypt/"+keyName, map[string]any{"batch_input": batch}))(t)
	for _, r := range answer.Data["batch_results"].([]any) {
		text := r.(map[string]any)["ciphertext"].(string)
		p.pool <- &kms.DecryptRequest{Uid: "cold", KeyId: "1", Ciphertext: []byte(text)}
	}
}

// drain forgets what wrap has made.
func (p *plane) drain() {
	for {
		select {
		case <-p.pool:
		default:
			return
		}
	}
}

// cold takes one of them.
func (p *plane) cold() (*kms.DecryptRequest, error) {
	select {
	case r := <-p.pool:
		return r, nil
	default:
		return nil, errors.New("the test has no seed left that is in no memory")
	}
}

// waitWhole waits until both plugins do all their work, with Vault too.
func (p *plane) waitWhole(t *testing.T) {
	t.Helper()
	p.wrap(t, tries)
	p.waitOpens(t)
	p.drain()
}

// tries is more than a wait ever makes.
const tries = 512

// waitOpens is waitWhole with seeds that were wrapped before.
func (p *plane) waitOpens(t *testing.T) {
	t.Helper()
	check(t, cluster.Until(p.ctx, func(ctx context.Context) error {
		for _, plugin := range []*cluster.Plugin{p.local, p.direct} {
			if err := inState(ctx, plugin, "ok"); err != nil {
				return err
			}
			if _, err := plugin.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: []byte("whole"), Uid: "whole"}); err != nil {
				return err
			}
		}
		r, err := p.cold()
		if err == nil {
			_, err = p.local.KMS().Decrypt(ctx, r)
		}
		if err == nil {
			_, err = p.local.KMS().Decrypt(ctx, p.held)
		}
		return err
	}))
}

// inState reports whether a plugin's last probe met the given state.
func inState(ctx context.Context, p *cluster.Plugin, state string) error {
	m, err := p.Metrics(ctx)
	if err != nil {
		return err
	}
	if v, _ := m.Sum("sealproof_vault_state", "state="+state); v != 1 {
		return fmt.Errorf("%s is not in state %s", p.Name(), state)
	}
	return nil
}

func (p *plane) waitState(t *testing.T, state string) {
	t.Helper()
	for _, plugin := range []*cluster.Plugin{p.local, p.direct} {
		check(t, cluster.Until(p.ctx, func(ctx context.Context) error { return inState(ctx, plugin, state) }))
	}
}

// waitStatus waits until Status of both fails with a code.
func (p *plane) waitStatus(t *testing.T, want codes.Code) {
	t.Helper()
	for _, plugin := range []*cluster.Plugin{p.local, p.direct} {
		check(t, cluster.Until(p.ctx, func(ctx context.Context) error {
			_, err := plugin.KMS().Status(ctx, &kms.StatusRequest{})
			if status.Code(err) != want || err != nil && strings.Contains(err.Error(), "no answer yet") {
				return fmt.Errorf("Status says %w, want %v", err, want)
			}
			return nil
		}))
	}
}

// watchLive asks for /livez all the time until stop is called, which returns
// "ok", or what else was answered. A process that does not run has no /livez.
func (p *plane) watchLive(plugins ...*cluster.Plugin) (stop func() string) {
	ctx, cancel := context.WithCancel(p.ctx)
	said := make([]string, len(plugins))
	var wg sync.WaitGroup
	for i, plugin := range plugins {
		wg.Go(func() {
			for ctx.Err() == nil {
				// Not ctx: what has begun is finished, or its end would look well.
				if answer := live(p.ctx, plugin); answer != "" && (said[i] == "" || answer != "ok") {
					said[i] = answer
				}
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	return func() string {
		cancel()
		wg.Wait()
		slices.Sort(said)
		return strings.Join(slices.Compact(said), ", ")
	}
}

// live returns the answer of /livez, empty if nothing listens.
func live(ctx context.Context, p *cluster.Plugin) string {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	code, body, err := p.Get(ctx, "/livez")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	case err != nil:
		return ""
	case code != http.StatusOK:
		return fmt.Sprintf("%d %s", code, body)
	default:
		return "ok"
	}
}

// fault is one thing that goes wrong, and what callers are told while it does.
type fault struct {
	name, how string
	// inject returns once the plugins can be asked; heal undoes it.
	inject, heal func(t *testing.T)
	want         answers
	// says must be in what a caller is told who asks for something not held.
	says []string
	// during is done while the fault lasts, besides writing and reading.
	during func(t *testing.T)
	// sealsNothing is set where an API server's new seed would not outlive the
	// fault: then nothing is written.
	sealsNothing bool
	// end is told in the table; by default that all was read and written.
	end string
}

// run brings a fault about and records it. One that could not be healed leaves a
// control plane that is good for nothing else.
func (p *plane) run(t *testing.T, f *fault) {
	t.Helper()
	healed := false
	ok := t.Run(f.name, func(t *testing.T) {
		p.results.add(t, p.endure(t, f))
		healed = true
	})
	if !ok && !healed {
		t.FailNow()
	}
}

// endure is one fault from its beginning to its end.
func (p *plane) endure(t *testing.T, f *fault) row {
	t.Helper()
	stop := p.watchLive(p.local, p.direct)
	p.wrapCold(t)
	f.inject(t)
	o := p.observe(t, f.want)
	if o.answers != f.want {
		t.Errorf("callers are told\n%+v, want\n%+v\nStatus: %v\nDecrypt, held: %v\nDecrypt, not held: %v", o.answers, f.want, o.statusError, o.heldError, o.coldError)
	}
	for _, want := range f.says {
		if o.coldError == nil || !strings.Contains(o.coldError.Error(), want) {
			t.Errorf("the caller is told %v, want %q in it", o.coldError, want)
		}
	}
	if p.api != nil && !f.sealsNothing {
		p.write(t, "during-"+slug(f.name), 2)
	}
	p.readStored(t)
	if f.during != nil {
		f.during(t)
	}
	p.drain()
	f.heal(t)
	healed := time.Now()
	p.waitWhole(t)
	back := time.Since(healed)
	p.readStored(t)
	livez := stop()
	if livez != "ok" {
		t.Errorf("livez: %s", livez)
	}
	r := row{
		fault: f.name, how: f.how, status: o.status.String(), encrypt: o.encrypt.String(), held: o.held.String(),
		cold: o.cold.String(), direct: o.direct.String(), longest: seconds(o.longest), back: seconds(back), livez: livez,
		end: cmp.Or(f.end, "read and written meanwhile; every Secret read"),
	}
	if p.direct == p.local {
		r.direct = notAsked
	}
	return r
}

// slug turns a fault's name into part of the name of a Secret.
func slug(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return '-'
		}
	}, name), "-")
}
