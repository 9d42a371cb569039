package live_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// Two of three members are gone: no request that needs a quorum is answered.
func TestWithoutQuorumTheMemberThatAnswersIsNamed(t *testing.T) {
	e := threeMembers(t)
	for _, i := range []int{0, 2} {
		if err := e.Member(i).Kill(); err != nil {
			t.Fatal(err)
		}
	}
	left := e.Endpoints()[1]
	c := configOf(e)
	c.RequestTimeout = 10 * time.Second // all of it is waited for
	_, err := connect(t, c).Pin(t.Context(), "/registry")
	want(t, err, "the quorum is lost", "without one still answers "+left, "--consistency serializable --endpoints "+left)
	for _, no := range []string{"\n", e.Endpoints()[0], e.Endpoints()[2]} {
		if err != nil && strings.Contains(err.Error(), no) {
			t.Errorf("%q is in %v", no, err)
		}
	}
	c = configOf(e)
	c.Endpoints, c.Serializable = []string{left}, true
	snap := pin(t, connect(t, c), "/registry")
	if err := snap.Read(t.Context(), func([]record.Record) error { return nil }); err != nil || snap.Keys != 300 {
		t.Errorf("%d keys, %v", snap.Keys, err)
	}
	for _, how := range []live.Comparing{live.ByHash, live.ByReading} {
		c.Members = how
		comparison := pin(t, connect(t, c), "/registry").Compare(t.Context())
		down := 0
		for _, m := range comparison.Members {
			if strings.Contains(m.NotCompared, "nothing listens there") {
				down++
			} else if m.NotCompared != "" || m.Endpoint != left {
				t.Errorf("%+v", m)
			}
		}
		if comparison.Why != "" || comparison.Differ || down != 2 {
			t.Errorf("by %s: %+v", how, comparison)
		}
	}
}

// A look at each would be longer than a minute, one after the other.
func TestEndpointsThatAnswerNothingAreLookedAtTogether(t *testing.T) {
	c := live.Config{RequestTimeout: 2 * time.Second}
	for range 100 {
		silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = silent.Close() })
		c.Endpoints = append(c.Endpoints, "http://"+silent.Addr().String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := connect(t, c).Pin(ctx, "/registry")
	want(t, err, "the connection is accepted, but nothing answers", c.Endpoints[0])
}

func TestTheReasonOfAnEndpointThatIsThereIsNamed(t *testing.T) {
	e := threeMembers(t)
	if err := e.Member(0).Kill(); err != nil {
		t.Fatal(err)
	}
	c := configOf(e)
	c.CertFile, c.KeyFile = "", ""
	_, err := connect(t, c).Pin(t.Context(), "/registry")
	want(t, err, "etcd wants a client certificate, and none was given", e.Endpoints()[1])
}
