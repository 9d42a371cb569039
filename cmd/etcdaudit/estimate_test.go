package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

// The estimate of what defragmentation gives back is compared with what it does, behind the
// compaction that the runbook has before it. Events under another prefix are history as well.
func TestWhatDefragmentationGivesBackIsEstimated(t *testing.T) {
	e, ctx := startEtcd(t), t.Context()
	commit(t, e, clientv3.OpPut("/registry/namespaces/kube-system", stored.Plaintext))
	for i := range 600 {
		commit(t, e, clientv3.OpPut(fmt.Sprintf("/registry/secrets/shop/s%02d", i%20), plain(fmt.Sprintf("s%02d", i%20))), clientv3.OpPut("/events/x", strings.Repeat("x", 7000)))
	}
	for i := range 400 {
		commit(t, e, clientv3.OpPut(fmt.Sprintf("/registry/configmaps/shop/c%03d", i), stored.Plaintext+strings.Repeat("x", 3000)))
	}
	for i := range 20 {
		commit(t, e, clientv3.OpPut(fmt.Sprintf("/registry/secrets/shop/s%02d", i), stored.KMSv2("p", "k", 1)))
	}
	db := filepath.Join(e.Member(0).DataDir, "member/snap/db")
	testkit.Check(t, e.Member(0).Stop(ctx))
	_, out, errs := run(t, "scan", e.Member(0).DataDir)
	before := testkit.Must(os.Stat(db))(t).Size()
	said := regexp.MustCompile(`gives back about (\d+) (KiB|MiB) here`).FindStringSubmatch(oneLine(out))
	if said == nil {
		t.Fatalf("no estimate: %s\n%s", errs, out)
	}
	estimate := testkit.Must(strconv.ParseInt(said[1], 10, 64))(t) << map[string]int{"KiB": 10, "MiB": 20}[said[2]]

	testkit.Check(t, e.Member(0).Restart(ctx))
	last := testkit.Must(e.Client().Get(ctx, "x"))(t).Header.Revision
	testkit.Must(e.Client().Compact(ctx, last, clientv3.WithCompactPhysical()))(t)
	testkit.Must(e.Client().Defragment(ctx, e.Endpoints()[0]))(t)
	given := before - testkit.Must(os.Stat(db))(t).Size()
	t.Logf("estimated %d KiB, given back %d KiB of %d", estimate>>10, given>>10, before>>10)
	if estimate < given*8/10 || estimate > given*12/10 {
		t.Errorf("estimated %d KiB, given back %d KiB", estimate>>10, given>>10)
	}
}
