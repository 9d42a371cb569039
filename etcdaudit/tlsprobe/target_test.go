package tlsprobe_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestTargetsOfOneListenerAreMerged(t *testing.T) {
	t.Parallel()
	const c, m = facts.ClientPort, facts.MetricsPort
	for name, tt := range map[string]struct{ given, want []tlsprobe.Target }{
		"http and https": {
			[]tlsprobe.Target{{Purpose: c, URL: "http://192.0.2.1:2379", Found: []string{"given"}}, {Purpose: c, URL: "https://192.0.2.1:2379", Member: "m0", Found: []string{"given", "member list"}}},
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379", Member: "m0", Found: []string{"given", "member list"}}},
		},
		"https and http": {
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379"}, {Purpose: c, URL: "http://192.0.2.1:2379"}},
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379"}},
		},
		"without a scheme": {
			[]tlsprobe.Target{{Purpose: c, URL: "192.0.2.1:2379"}, {Purpose: c, URL: "https://192.0.2.1:2379"}},
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379"}},
		},
		"without a scheme, and found with http": {
			[]tlsprobe.Target{{Purpose: c, URL: "192.0.2.1:2379"}, {Purpose: c, URL: "http://192.0.2.1:2379"}},
			[]tlsprobe.Target{{Purpose: c, URL: "http://192.0.2.1:2379"}},
		},
		"ways to write one address": {
			[]tlsprobe.Target{{Purpose: c, URL: "https://ETCD.example:2379/"}, {Purpose: c, URL: "https://etcd.example:2379"}, {Purpose: c, URL: "https://[2001:db8:0::1]:2379"}, {Purpose: c, URL: "https://[2001:db8::1]:2379"}},
			[]tlsprobe.Target{{Purpose: c, URL: "https://etcd.example:2379"}, {Purpose: c, URL: "https://[2001:db8::1]:2379"}},
		},
		"two purposes": {
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379"}, {Purpose: m, URL: "https://192.0.2.1:2379"}},
			[]tlsprobe.Target{{Purpose: c, URL: "https://192.0.2.1:2379"}, {Purpose: m, URL: "https://192.0.2.1:2379"}},
		},
		"sockets": {
			[]tlsprobe.Target{{Purpose: c, URL: "unix:///run/a"}, {Purpose: c, URL: "unixs:///run/a"}, {Purpose: c, URL: "unix:///run/b"}},
			[]tlsprobe.Target{{Purpose: c, URL: "unixs:///run/a"}, {Purpose: c, URL: "unix:///run/b"}},
		},
	} {
		once := testkit.Must(tlsprobe.Merge(tt.given))(t)
		for range 2 { // merging again changes nothing
			if diff := cmp.Diff(tt.want, once, cmpopts.IgnoreUnexported(tlsprobe.Target{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			once = testkit.Must(tlsprobe.Merge(once))(t)
		}
	}
}

// Two purposes on one address share its 20 connections a second, and the connection that was
// made before counts.
func TestTargetsOfOneAddressAreSpacedOutTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var waited atomic.Int64
	address := serve(t, nothing)
	wire := probe(t, tlsprobe.Config{
		Targets: []tlsprobe.Target{clientTarget(address), {Purpose: facts.MetricsPort, URL: "http://" + address}, {Purpose: facts.ClientPort, URL: "http://" + address}},
		Asked:   []tlsprobe.Asked{{URL: "https://" + address, Exchange: facts.Exchange{Request: facts.MemberList, At: now, Outcome: facts.Mismatch}}},
		Now:     func() time.Time { return now.Add(time.Duration(waited.Load())) },
		Pause: func(_ context.Context, d time.Duration) error {
			waited.Add(int64(d))
			return nil
		},
	})
	if len(wire.Listeners) != 2 {
		t.Fatalf("%d listeners", len(wire.Listeners))
	}
	for i, e := range append(wire.Listeners[0].Exchanges, wire.Listeners[1].Exchanges...) {
		if want := now.Add(time.Duration(i) * 50 * time.Millisecond); !e.At.Equal(want) {
			t.Errorf("connection %d at %s, want %s", i, e.At, want)
		}
	}
}

func TestTheSilenceOfTheMemberListCounts(t *testing.T) {
	t.Parallel()
	address := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	c := patient(clientTarget(address))
	c.Limits.Answer = 300 * time.Millisecond // for what never answers
	_, asked, err := tlsprobe.Members(t.Context(), c)
	if err == nil || len(asked) != 1 || asked[0].Outcome != facts.Silent || asked[0].Silence < c.Limits.Answer {
		t.Fatalf("%+v, %v", asked, err)
	}
	asked[0].Silence = c.Limits.Silence // no time is left
	c.Asked = asked
	l := probe(t, c).Listeners[0]
	if len(l.Exchanges) != 1 || len(l.Skipped) == 0 || l.Unreachable == "" {
		t.Errorf("%d exchanges, skipped %v, unreachable %q", len(l.Exchanges), l.Skipped, l.Unreachable)
	}
}

func TestTheFileOfASocketIsInspected(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l := testkit.Must(net.Listen("unix", path))(t)
	defer l.Close()
	c := patient(
		tlsprobe.Target{Purpose: facts.ClientPort, URL: "unix://" + path}, tlsprobe.Target{Purpose: facts.ClientPort, URL: "unix:///nowhere/s"},
		clientTarget(freePort(t)),
	)
	c.Limits.Answer = 300 * time.Millisecond // nothing is accepted there
	wire := probe(t, c)
	s := wire.Listeners[0].Socket
	if s == nil || s.Kind() != "socket" || s.Dir != filepath.Dir(path) || len(s.Way) < 2 || s.Endpoint != "unix://"+path {
		t.Errorf("socket %+v", s)
	}
	if s := wire.Listeners[1].Socket; s == nil || s.Exists {
		t.Errorf("no socket: %+v", s)
	}
	if s := wire.Listeners[2].Socket; s != nil {
		t.Errorf("a port: %+v", s)
	}
}

// Whether /metrics exists says nothing about the other pages.
func TestEveryPageOfAPlainMetricsAddressIsAskedFor(t *testing.T) {
	t.Parallel()
	address := serve(t, func(c net.Conn) {
		b := make([]byte, 20)
		if _, err := io.ReadFull(c, b); err == nil && slices.Contains([]string{"GET /debug/pprof/ HT", "GET /debug/vars HTTP"}, string(b)) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := patient(tlsprobe.Target{Purpose: facts.MetricsPort, URL: "http://" + address})
	l := probe(t, c).Listeners[0]
	want{false, facts.GetMetrics, "", facts.Mismatch, "closed"}.check(t, l)
	want{false, facts.GetPprof, "", facts.Answered, "HTTP 200"}.check(t, l)
	want{false, facts.GetVars, "", facts.Answered, "HTTP 200"}.check(t, l)
}
