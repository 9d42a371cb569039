package tlsprobe_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// A full probe of an idle member costs what the plan says, leaves the lines in the log that
// the plan says, and no entry in raft's log.
func TestAProbeDoesWhatItsPlanSaysAndNothingToRaft(t *testing.T) {
	t.Parallel()
	for _, release := range []components.Name{components.Etcd, components.Etcd36, components.Etcd35} {
		t.Run(string(release), func(t *testing.T) {
			p, other := newPKI(t), newPKI(t)
			e := start(t, release, append(p.mutual(), "--listen-metrics-urls=https://{metrics}")...)
			config := tlsprobe.Config{
				CA: p.pool(t), Own: p.own(t), Enumerate: true, Given: []tlsprobe.Identity{other.client.identity(t, "wrong CA")},
				Targets: append(e.targets(), tlsprobe.Target{Purpose: facts.MetricsPort, URL: "https://" + e.metrics}),
			}
			plan := testkit.Must(tlsprobe.PlanOf(config))(t)
			client := p.etcdClient(t, e, p.client)
			before := e.idle(t, client, release)
			logged := len(e.lines(t))
			begin := time.Now()
			wire := probe(t, config)
			t.Logf("%s: %s with enumeration", release, time.Since(begin))
			if after := e.raftIndex(t, client); after != before {
				t.Errorf("raft's index went from %d to %d", before, after)
			}
			seen := map[string]int{}
			for _, line := range strings.Split(strings.TrimSpace(e.lines(t)[logged:]), "\n") {
				seen[planned(t, plan, line)]++
			}
			for i, l := range plan.Listeners {
				// The identity of --probe-cert is refused, and so asks once and not twice.
				refused := 1
				if l.Target.Purpose == facts.MetricsPort {
					refused = 0
				}
				if got, want := len(wire.Listeners[i].Exchanges), l.Usual+l.Enumeration-refused; got != want || want > l.AtMost+l.EnumerationAtMost {
					t.Errorf("%s: %d connections, planned %d", l.Target.Purpose, got, want)
				}
				for _, line := range l.Log {
					if n := seen[line.Message+line.Error]; n == 0 && line.Error != "" && !strings.Contains(line.Error, "no key exchanges") {
						t.Errorf("%s: planned and not logged: %s %s", l.Target.Purpose, line.Message, line.Error)
					}
				}
			}
			most := map[string]int{}
			for _, l := range plan.Listeners {
				for _, line := range l.Log {
					most[line.Message+line.Error] += line.AtMost
				}
			}
			for kind, n := range seen {
				// Those of --probe-cert are logged with their reason, which here is that of the others.
				if n > most[kind]+2 {
					t.Errorf("%d lines of %q, planned %d", n, kind, most[kind])
				}
			}
		})
	}
}

// planned returns the kind of a line.
func planned(t *testing.T, plan tlsprobe.Plan, line string) string {
	t.Helper()
	var l struct{ Level, Msg, Error string }
	testkit.Check(t, json.Unmarshal([]byte(line), &l))
	for _, listener := range plan.Listeners {
		for _, kind := range listener.Log {
			if kind.Error != "" && kind.Level == l.Level && kind.Message == l.Msg && strings.HasPrefix(l.Error, kind.Error) {
				return kind.Message + kind.Error
			}
		}
	}
	t.Errorf("not planned: %s", line)
	return ""
}

func (p *pki) etcdClient(t *testing.T, e *etcd, who files) *clientv3.Client {
	t.Helper()
	pair := testkit.Must(tls.LoadX509KeyPair(who.cert, who.key))(t)
	c := testkit.Must(clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + e.client}, Logger: zap.NewNop(),
		TLS: &tls.Config{RootCAs: p.pool(t), Certificates: []tls.Certificate{pair}},
	}))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

func (e *etcd) raftIndex(t *testing.T, c *clientv3.Client) uint64 {
	t.Helper()
	return testkit.Must(c.Status(t.Context(), "https://"+e.client))(t).RaftIndex
}

// idle waits until the member has written what it writes at its start, and returns its
// raft index.
func (e *etcd) idle(t *testing.T, c *clientv3.Client, release components.Name) uint64 {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		log := e.lines(t)
		stored := release == components.Etcd35 || strings.Contains(log, "updated storage version")
		if stored && strings.Contains(log, "published local member") && strings.Contains(log, "cluster version is updated") {
			return e.raftIndex(t, c)
		}
	}
	t.Fatal("the member has not become idle")
	return 0
}

// A passive run does what a client of the URL does: no plaintext on a port of TLS, no
// certificate of our own making, no name but the URL's.
func TestAPassiveRunSendsWhatAClientSends(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	e := start(t, components.Etcd, p.mutual()...)
	config := tlsprobe.Config{CA: p.pool(t), Own: p.own(t), Passive: true, Enumerate: true, Targets: e.targets()}
	logged := len(e.lines(t))
	wire := probe(t, config)
	if log := e.lines(t)[logged:]; strings.Contains(log, "rejected") {
		t.Errorf("the log shows it: %s", log)
	}
	plan := testkit.Must(tlsprobe.PlanOf(config))(t)
	for i, l := range wire.Listeners {
		for _, x := range l.Exchanges {
			if !x.TLS || x.Identity != tlsprobe.Own || x.ServerName != "" || x.Outcome != facts.Answered {
				t.Errorf("%s: %+v", l.Purpose, x)
			}
		}
		if n := len(l.Exchanges); n == 0 || n != plan.Listeners[i].Usual || len(plan.Listeners[i].Log) > 0 {
			t.Errorf("%s: %d exchanges, planned %+v", l.Purpose, n, plan.Listeners[i])
		}
	}
	for _, i := range wire.Identities {
		if i.Kind == facts.SelfSigned || i.Kind == facts.ForgedIssuer {
			t.Errorf("made in vain: %s", i.Label)
		}
	}
}

// The time between two connections is waited for by the clock that is given.
func TestConnectionsOfAListenerAreSpacedOut(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var waited atomic.Int64
	c := tlsprobe.Config{
		Targets: []tlsprobe.Target{clientTarget(serve(t, nothing))},
		Now:     func() time.Time { return now.Add(time.Duration(waited.Load())) },
		Pause: func(_ context.Context, d time.Duration) error {
			waited.Add(int64(d))
			return nil
		},
	}
	l := probe(t, c).Listeners[0]
	for i, e := range l.Exchanges {
		if want := now.Add(time.Duration(i) * 50 * time.Millisecond); !e.At.Equal(want) {
			t.Errorf("connection %d at %s, want %s", i, e.At, want)
		}
	}
	if len(l.Exchanges) != 4 {
		t.Errorf("%d connections", len(l.Exchanges))
	}
}
