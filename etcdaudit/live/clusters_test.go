package live_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// plainEtcds are etcds of one member each, without TLS, so that one client can reach both.
func plainEtcds(t *testing.T, names ...string) (endpoints []string) {
	t.Helper()
	opts := clustertest.Options(t, components.Etcd)
	c := clustertest.Start(t, opts)
	for _, name := range names {
		client, peer := "http://"+testkit.Must(c.Address())(t), "http://"+testkit.Must(c.Address())(t)
		testkit.Must(c.StartProgram(t.Context(), cluster.ProgramOptions{
			Name: name, Program: cmp.Or(opts.Etcd, components.Etcd),
			Args: []string{
				"--name", name, "--data-dir", t.TempDir(), "--listen-client-urls", client, "--advertise-client-urls", client,
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", name + "=" + peer, "--unsafe-no-fsync",
			},
			Ready: func(ctx context.Context, _ *cluster.Process) error {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, client+"/health", nil)
				if err != nil {
					return err
				}
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					return err
				}
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					return fmt.Errorf("status %d", answer.StatusCode)
				}
				return nil
			},
		}))(t)
		endpoints = append(endpoints, client)
	}
	return endpoints
}

// Which of several endpoints answers is left to chance: every attempt has to notice.
func TestEndpointsOfTwoClustersAreRefusedEachTime(t *testing.T) {
	s := connect(t, live.Config{Endpoints: plainEtcds(t, "one", "two"), RequestTimeout: 30 * time.Second})
	for range 20 {
		if _, err := s.Pin(t.Context(), "/registry"); err == nil || !strings.Contains(err.Error(), "different clusters") {
			t.Fatalf("pinned: %v", err)
		}
	}
}
