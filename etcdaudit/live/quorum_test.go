package live_test

import (
	"strings"
	"testing"
	"time"

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
}
