package memory

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/testkit"
)

// TestWhateverCallersDoTheShippedLimitHolds has more connections than the plugin
// takes do the worst that a socket allows, one way after the other, while Vault
// hangs.
func TestWhateverCallersDoTheShippedLimitHolds(t *testing.T) {
	const connections = 80
	ctx := t.Context()
	limit, environment := shipped(t)
	c := clustertest.New(t, components.Vault, components.KMSPlugin)
	vault, role := rig.StartVault(ctx, t, c, 1, keyName)
	proxy := testkit.Must(c.StartProxy(vault.Address(0)))(t)
	p := testkit.Must(c.StartPlugin(ctx, cluster.PluginOptions{Vault: vault, Role: role, Key: keyName, Addresses: []string{proxy.URL}, Env: environment}))(t)
	testkit.Check(t, proxy.Hang())
	conn := testkit.Must(grpc.NewClient("unix://"+p.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	defer conn.Close()
	honest := kms.NewKeyManagementServiceClient(conn)
	serves := func() {
		t.Helper()
		// A bound on a hang, not on how fast this machine is.
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		e, err := honest.Encrypt(ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "honest"}, grpc.WaitForReady(true))
		if err == nil {
			_, err = honest.Decrypt(ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "honest"})
		}
		if err == nil {
			_, err = honest.Status(ctx, &kms.StatusRequest{})
		}
		if err != nil {
			t.Errorf("another caller is not served: %v", err)
		}
	}
	serves()
	t.Logf("at rest: %d MiB", memory(t, p.PID(), "VmRSS")>>20)
	for _, k := range attacks {
		resetPeak(p.PID())
		var steps int64
		// The plugin may still count the connections of the way before, and refuse
		// new ones: a way that did nothing begins again.
		for round := 0; round < 5 && steps < connections; round++ {
			steps += k.rush(p.Socket(), connections, serves)
		}
		most := memory(t, p.PID(), "VmHWM")
		t.Logf("%s: %d times, %d MiB at most", k.name, steps, most>>20)
		if steps < connections {
			t.Errorf("%s: done %d times by %d connections: the test shows nothing", k.name, steps, connections)
		}
		if most > limit-slack {
			t.Errorf("%s: the plugin takes %d MiB; %d MiB are allowed, of which %d are kept for what the kernel adds", k.name, most>>20, limit>>20, slack>>20)
		}
	}
}

// rush attacks from many connections at once, has an honest caller ask while all of
// them are open, and returns how many steps were done.
func (k attack) rush(path string, connections int, honest func()) int64 {
	var wg sync.WaitGroup
	var steps atomic.Int64
	attackers := make([]*attacker, connections)
	for n := range attackers {
		wg.Go(func() {
			a, err := k.dial(path)
			for i := 0; i < k.times && err == nil; i++ {
				if err = k.step(a, n*k.times+i); err == nil {
					steps.Add(1)
				}
			}
			attackers[n] = a
		})
	}
	wg.Wait()
	honest()
	for _, a := range attackers {
		if a != nil {
			_ = a.conn.Close()
		}
	}
	return steps.Load()
}

// slack is left for what a limit counts beside resident memory: what answers take
// in the sockets of those who do not read them.
const slack = 24 << 20

// resetPeak makes VmHWM begin anew (proc(5), clear_refs). Without the right to do
// so it is the most of everything so far, which is as good a bound.
func resetPeak(pid int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0)
}

// shipped is the memory limit that both manifests set, the smaller if they differ,
// and what both tell Go about it.
func shipped(t *testing.T) (limit int64, environment []string) {
	t.Helper()
	unit, pod := rig.Deployed(t, "systemd/kmsplugin.service"), rig.Deployed(t, "static-pod/kmsplugin.yaml")
	first := find(t, unit, `(?m)^MemoryMax=(\d+)M$`)
	second := find(t, pod, `(?m)^ +limits:\n +memory: (\d+)Mi$`)
	goal := find(t, unit, `(?m)^Environment=GOMEMLIMIT=(\d+)MiB$`)
	if other := find(t, pod, `\{name: GOMEMLIMIT, value: (\d+)MiB\}`); other != goal {
		t.Errorf("GOMEMLIMIT is %d in one manifest and %d in the other", goal, other)
	}
	return min(first, second) << 20, []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", goal)}
}

// find returns the number that a pattern captures.
func find(t *testing.T, text, pattern string) int64 {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("nothing matches %s", pattern)
	}
	return testkit.Must(strconv.ParseInt(match[1], 10, 64))(t)
}
