package faults

import (
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sealproof/sealproof/test/cluster"
)

// networkFaults keep Vault away from the plugins, or answer in its place.
func networkFaults(t *testing.T, results *results) {
	p := newPlane(t, results)
	f := newFront(t, p.vault)
	heal := func(t *testing.T) { t.Helper(); check(t, p.proxy.Heal(p.ctx)) }

	p.run(t, &fault{
		name: "connection hangs", how: "toxiproxy: answers vanish, connections stay open",
		inject: func(t *testing.T) { check(t, p.proxy.Hang()) },
		heal:   heal,
		want:   carriesOn(codes.DeadlineExceeded),
		says:   []string{"no answer from Vault within the deadline"},
		during: func(t *testing.T) {
			check(t, p.api.Restart(p.ctx))
			p.readAll(t, p.api)
			p.write(t, "restarted", 2)
		},
		end: "API server restarted meanwhile: ready, read all, wrote; every Secret read",
	})
	p.run(t, &fault{
		name: "answers after 5 s", how: "toxiproxy: every piece of an answer 5 s late",
		inject: func(t *testing.T) { check(t, p.proxy.Delay(5*time.Second)) },
		heal:   heal,
		want:   carriesOn(codes.DeadlineExceeded),
		says:   []string{"no answer from Vault within the deadline"},
	})
	p.run(t, &fault{
		name: "Vault stopped and started", how: "SIGTERM, later started and unsealed",
		inject: func(t *testing.T) { check(t, p.vault.Stop(p.ctx)); p.waitState(t, "outage") },
		heal:   func(t *testing.T) { check(t, p.vault.Restart(p.ctx)) },
		want:   carriesOn(codes.Unavailable),
	})
	p.run(t, &fault{
		name: "Vault sealed", how: "`sys/seal`, later unsealed",
		inject: func(t *testing.T) { check(t, p.vault.Seal(p.ctx)); p.waitState(t, "outage") },
		heal:   func(t *testing.T) { check(t, p.vault.Unseal(p.ctx)) },
		want:   carriesOn(codes.Unavailable),
		says:   []string{"Vault is sealed"},
	})
	p.run(t, &fault{
		name: "Vault down when the plugin starts", how: "plugin restarted while toxiproxy refuses connections",
		inject: func(t *testing.T) {
			p.proxy.Cut()
			check(t, p.local.Restart(p.ctx))
			p.waitState(t, "outage")
		},
		heal: heal,
		want: fails(codes.Unavailable),
		end:  "the running API server read and wrote meanwhile; every Secret read",
	})
	p.run(t, &fault{
		name: "name not resolvable", how: "plugin restarted with an address in the domain `invalid`",
		inject: func(t *testing.T) {
			check(t, p.local.Configure(map[string]any{"vault": map[string]any{"address": "https://vault.invalid:8200"}}))
			check(t, p.local.Restart(p.ctx))
			p.proxy.Cut()
			p.waitState(t, "outage")
		},
		heal: func(t *testing.T) {
			check(t, p.local.Configure(map[string]any{"vault": map[string]any{"address": p.proxy.URL}}))
			check(t, p.local.Restart(p.ctx))
			heal(t)
		},
		want: fails(codes.Unavailable),
		end:  "the running API server read and wrote meanwhile; every Secret read",
	})
	p.behindFront(t, f)
	p.prove(t, p.api)
}

// behindFront brings about what an HTTPS server of the test's own has to do.
func (p *plane) behindFront(t *testing.T, f *front) {
	t.Helper()
	direct := func(t *testing.T) { t.Helper(); check(t, p.proxy.Route(p.vault.Address(0))) }
	presents := func(files cluster.CertFiles) func(*testing.T) {
		return func(t *testing.T) {
			f.present(t, files)
			check(t, p.proxy.Route(f.URL))
			p.waitState(t, "outage")
		}
	}
	stranger := must(cluster.NewAuthority(t.TempDir(), "stranger"))(t)
	p.run(t, &fault{
		name: "certificate expired", how: "a server in front of Vault with an expired certificate of its CA",
		inject: presents(must(p.vault.Authority().ServerUntil("expired", time.Now().Add(-time.Minute)))(t)),
		heal:   direct,
		want:   carriesOn(codes.Unavailable),
		says:   []string{"Vault's certificate has expired"},
	})
	p.run(t, &fault{
		name: "certificate of another CA", how: "a server in front of Vault with a certificate that another CA signed",
		inject: presents(must(stranger.Server("stranger"))(t)),
		heal:   direct,
		want:   carriesOn(codes.Unavailable),
		says:   []string{"signed by an unknown authority"},
	})
	f.present(t, must(p.vault.Authority().Server("front"))(t))

	check(t, p.proxy.Route(f.URL))
	passOn := func(*testing.T) { f.passOn() }
	answers := func(h http.Handler) func(*testing.T) {
		return func(t *testing.T) { f.answerWith(h); p.waitState(t, "outage") }
	}
	p.run(t, &fault{
		name: "HTTP 429", how: "a server in front of Vault gives this answer",
		inject: answers(failure(http.StatusTooManyRequests, "rate limit quota exceeded")), heal: passOn, want: carriesOn(codes.Unavailable),
		says: []string{"Vault limits the rate of requests"},
	})
	p.run(t, &fault{
		name: "HTTP 500", how: "a server in front of Vault gives this answer",
		inject: answers(failure(http.StatusInternalServerError, "internal error")), heal: passOn, want: carriesOn(codes.Unavailable),
		says: []string{"Vault failed with HTTP status 500"},
	})
	p.run(t, &fault{
		name: "HTTP 503", how: "a server in front of Vault gives this answer",
		inject: answers(failure(http.StatusServiceUnavailable, "overloaded")), heal: passOn, want: carriesOn(codes.Unavailable),
		says: []string{"Vault failed with HTTP status 503"},
	})
	p.run(t, &fault{
		name: "reset in the middle of an answer", how: "a server in front of Vault resets the connection after half of Vault's answer",
		inject: answers(resetHalfway(&http.Client{Transport: f.upstream}, p.vault.Address(0))), heal: passOn, want: carriesOn(codes.Unavailable),
	})
	check(t, p.proxy.Route(p.vault.Address(0)))
	p.waitWhole(t)
}
