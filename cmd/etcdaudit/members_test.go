package main

import (
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// An API server may read from any member: what could not be compared is not passed over.
func TestAMemberThatIsDownMakesTheScanIncomplete(t *testing.T) {
	e := testkit.Must(clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 3))(t)
	use(t, e)
	put(t, e, "namespaces/default", stored.Plaintext)
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k", 1))
	scan := func(want int, says string, args ...string) {
		t.Helper()
		status, out, errs := run(t, append([]string{"scan"}, args...)...)
		if status != want || errs != "" || !strings.Contains(oneLine(out), says) {
			t.Errorf("%v: status %d, want %d, %s\n%s", args, status, want, errs, out)
		}
	}
	scan(0, "3 members hold the same")
	testkit.Check(t, e.Member(2).Kill())
	scan(2, "could not be evaluated: EA-131")
	scan(0, "the members were not compared", "--compare-members=off")
	scan(2, "could not be evaluated: EA-131", "--compare-members=off", "--strict")
}
