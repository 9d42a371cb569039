package faults

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// many is what no API server ever has under way.
const many = 1000

// callerFaults are what callers can do to a plugin. Nothing is stored here: an
// API server never behaves like that.
func callerFaults(t *testing.T, results *results) {
	p := newVault(t, results, 1)
	// How many calls are served within the usual deadline depends on the machine, so
	// the check that all are served uses a longer one.
	const unhurried = 30 * time.Second
	p.local = p.plugin(t, "local", map[string]any{"request-timeout": unhurried.String()})
	p.direct = p.local
	p.seal(t)
	p.crowd(t, "1,000 concurrent callers", "each with another source that only Vault can decrypt; `request-timeout: 30s`", unhurried, codes.OK)
	p.corruptOne(t)
	check(t, p.local.Configure(map[string]any{"request-timeout": nil}))
	check(t, p.local.Restart(p.ctx))
	p.waitWhole(t)
	check(t, p.proxy.Hang())
	p.crowd(t, "1,000 concurrent callers, Vault hangs", "the same by default, with toxiproxy as above", deadline, codes.DeadlineExceeded, codes.ResourceExhausted)
	check(t, p.proxy.Heal(p.ctx))
	p.waitWhole(t)
	p.neverReads(t)
}

// crowd has a thousand callers ask for what only Vault opens, and others for
// Status and for what is held. Which of the allowed codes each of them gets
// depends on who comes first. None may wait longer than limit.
func (p *plane) crowd(t *testing.T, name, how string, limit time.Duration, allowed ...codes.Code) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		stop := p.watchLive(p.local)
		p.wrap(t, many)
		var cold, idle, held, state, encrypt told
		var wg sync.WaitGroup
		for i := range many {
			r := must(p.cold())(t)
			wg.Go(func() { cold.ask(func() error { _, err := p.local.KMS().Decrypt(p.ctx, r); return err }) })
			if i%(many/callers) == 0 {
				wg.Go(func() { idle.ask(func() error { return p.local.Idle(p.ctx) }) })
			}
		}
		for range callers {
			wg.Go(func() {
				held.ask(func() error { _, err := p.local.KMS().Decrypt(p.ctx, p.held); return err })
				state.ask(func() error { _, err := p.local.KMS().Status(p.ctx, &kms.StatusRequest{}); return err })
				encrypt.ask(func() error {
					_, err := p.local.KMS().Encrypt(p.ctx, &kms.EncryptRequest{Plaintext: []byte("crowd"), Uid: "crowd"})
					return err
				})
			})
		}
		wg.Wait()
		for c, n := range cold.codes {
			if !slices.Contains(allowed, c) {
				t.Errorf("%d callers are told %v", n, c)
			}
		}
		within(t, "a call", cold.longest, limit, 2*idle.longest) // twice: as in observe
		for what, o := range map[string]*told{"Status": &state, "what is held": &held, "something new": &encrypt} {
			if o.codes[codes.OK] != callers {
				t.Errorf("asked for %s, callers are told %v", what, o.codes)
			}
		}
		p.results.add(t, row{
			fault: name, how: how, status: state.String(), encrypt: encrypt.String(), held: held.String(), cold: either(allowed),
			direct: notAsked, longest: seconds(cold.longest), back: notAsked, livez: stop(), end: "every caller got an answer, requests without Vault were served",
		})
	})
}

// deafConn delivers nothing of what it receives once it is deaf.
type deafConn struct {
	net.Conn
	deaf, closed chan struct{}
}

func (c *deafConn) Read(b []byte) (int, error) {
	select {
	case <-c.deaf:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Read(b)
	}
}

// neverReads sends requests over a connection that it has stopped to read from.
func (p *plane) neverReads(t *testing.T) {
	t.Helper()
	const name = "a caller that never reads"
	t.Run(name, func(t *testing.T) {
		stop := p.watchLive(p.local)
		before := p.goroutines(t)
		deaf, closed := make(chan struct{}), make(chan struct{})
		conn := must(grpc.NewClient("passthrough:///deaf", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, "unix", p.local.Socket())
				return &deafConn{Conn: c, deaf: deaf, closed: closed}, err
			})))(t)
		client := kms.NewKeyManagementServiceClient(conn)
		must(client.Status(p.ctx, &kms.StatusRequest{}))(t) // the connection stands
		close(deaf)

		ctx, cancel := context.WithCancel(p.ctx)
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() { _, _ = client.Decrypt(ctx, p.held) }) // never answered
		}
		var others, idle told
		for range callers {
			idle.ask(func() error { return p.local.Idle(p.ctx) })
			others.ask(func() error { _, err := p.local.KMS().Decrypt(p.ctx, p.held); return err })
		}
		o := p.observeAlone(t)
		if others.codes[codes.OK] != callers {
			t.Errorf("others are told %v", others.codes)
		}
		within(t, "what is held", others.longest, noWait, idle.longest)
		cancel()
		close(closed)
		wg.Wait()
		check(t, conn.Close())
		// A tenth more than before is what comes and goes anyway.
		check(t, cluster.Until(p.ctx, func(context.Context) error {
			if now := p.goroutines(t); now > before*11/10+10 {
				return fmt.Errorf("the plugin has %g goroutines left, it had %g before", now, before)
			}
			return nil
		}))
		p.results.add(t, row{
			fault: name, how: "1,000 requests over a connection whose answers are not read",
			status: o.status.String(), encrypt: o.encrypt.String(), held: others.String(), cold: o.cold.String(), direct: notAsked,
			longest: seconds(max(o.longest, others.longest)), back: notAsked, livez: stop(), end: "other callers are not affected; its goroutines end with its connection",
		})
	})
}

// observeAlone is observe where everything must be served.
func (p *plane) observeAlone(t *testing.T) observation {
	t.Helper()
	p.wrapCold(t)
	o := p.observe(t, serves())
	if o.answers != serves() {
		t.Errorf("callers are told %+v: %v", o.answers, o.coldError)
	}
	return o
}

func (p *plane) goroutines(t *testing.T) float64 {
	t.Helper()
	n, _ := must(p.local.Metrics(p.ctx))(t).Sum("go_goroutines")
	return n
}

// corruptOne changes one of many ciphertexts that share Transit requests.
func (p *plane) corruptOne(t *testing.T) {
	t.Helper()
	const name = "one corrupted ciphertext among many"
	t.Run(name, func(t *testing.T) {
		stop := p.watchLive(p.local)
		requests, items := p.batches(t)
		p.wrap(t, many)
		var good, bad told
		var wg sync.WaitGroup
		for i := range many {
			r, o := must(p.cold())(t), &good
			if i == many/2 {
				o = &bad
				r.Ciphertext = corrupted(r.GetCiphertext())
			}
			wg.Go(func() { o.ask(func() error { _, err := p.local.KMS().Decrypt(p.ctx, r); return err }) })
		}
		wg.Wait()
		if good.codes[codes.OK] != many-1 || bad.codes[codes.InvalidArgument] != 1 {
			t.Errorf("the good ones are told %v, the bad one %v", good.codes, bad.codes)
		}
		moreRequests, moreItems := p.batches(t)
		if n := moreRequests - requests; n*2 > moreItems-items {
			t.Errorf("%g requests carried %g items: they did not share any", n, moreItems-items)
		}
		o := p.observeAlone(t)
		p.results.add(t, row{
			fault: name, how: "one of 1,000 sources that share Transit requests changed",
			status: o.status.String(), encrypt: o.encrypt.String(), held: o.held.String(), cold: "OK, its own InvalidArgument", direct: notAsked,
			longest: seconds(max(good.longest, bad.longest)), back: notAsked, livez: stop(), end: "only that one is refused",
		})
	})
}

// corrupted changes one character inside the tag, before any padding.
func corrupted(ciphertext []byte) []byte {
	changed := bytes.Clone(ciphertext)
	at := len(changed) - 6
	if changed[at] == 'A' {
		changed[at] = 'B'
	} else {
		changed[at] = 'A'
	}
	return changed
}

// batches returns how many batches of decrypts went to Vault, and their items.
func (p *plane) batches(t *testing.T) (requests, items float64) {
	t.Helper()
	m := must(p.local.Metrics(p.ctx))(t)
	for _, sample := range m["sealproof_vault_batch_items"].GetMetric() {
		requests += float64(sample.GetHistogram().GetSampleCount())
		items += sample.GetHistogram().GetSampleSum()
	}
	return requests, items
}
