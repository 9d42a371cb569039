package client

import (
	"context"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// TestThreeNodes takes one node after the other away from a Raft cluster.
func TestThreeNodes(t *testing.T) {
	raft := clustertest.New(t, components.Vault)
	vault, err := raft.StartVault(t.Context(), 3)
	must(t, err)
	noLeaks(t)
	f := newFixtureIn(t, vault, nil)
	// leaderLast returns the addresses, the leader's last, and the leader.
	leaderLast := func() (addresses []string, leader *cluster.VaultNode) {
		leader, err := vault.WaitLeader(t.Context())
		must(t, err)
		for i := range vault.Nodes() {
			if vault.Node(i) != leader {
				addresses = append(addresses, vault.Address(i))
			}
		}
		return append(addresses, leader.Address), leader
	}
	nodeAt := func(address string) *cluster.VaultNode {
		for i := range vault.Nodes() {
			if vault.Address(i) == address {
				return vault.Node(i)
			}
		}
		t.Fatalf("no node at %s", address)
		return nil
	}
	opens := func(c *testClient) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond) // the plugin's own
		defer cancel()
		_, err := c.ReadKey(ctx)
		return err
	}
	// afterAnElection waits until c reads the key, and allows outages meanwhile.
	afterAnElection := func(c *testClient) {
		t.Helper()
		reasons := map[string]bool{}
		until(t, "another node leads and serves", func() bool {
			err := opens(c)
			if err == nil {
				return true
			}
			if class := backend.ClassOf(err); class != backend.Outage {
				t.Fatalf("during an election: %v", err)
			}
			if !reasons[backend.ReasonOf(err)] {
				reasons[backend.ReasonOf(err)] = true
				t.Log("during an election:", err)
			}
			return false
		}, func() {})
	}

	addresses, _ := leaderLast()
	c, obs := f.client(func(cfg *Config) { cfg.Address = addresses })
	must(t, reads(t, c))

	t.Run("a standby that hangs costs one pause", func(t *testing.T) {
		first := nodeAt(addresses[0])
		must(t, first.Pause())
		for range 10 {
			must(t, opens(c))
		}
		late, _ := f.client(func(cfg *Config) { cfg.Address = addresses })
		until(t, "it has logged in, for which the first node is given more time", func() bool { return opens(late) == nil }, func() {})
		must(t, first.Resume())
		if c.nodes.current == 0 {
			t.Error("requests still go to the node that hung")
		}
	})
	t.Run("a standby that redirects leads to the leader", func(t *testing.T) {
		redirected, _ := f.client(func(cfg *Config) { cfg.Address = []string{addresses[0], addresses[2]} })
		forbidForwarding(redirected)
		must(t, opens(redirected))
		if redirected.nodes.current != 1 {
			t.Error("the redirect was not followed")
		}
		alone, _ := f.client(func(cfg *Config) { cfg.Address = addresses[:1] })
		forbidForwarding(alone)
		failed(t, opens(alone), backend.Outage, "Vault redirects to an address that is not configured")
	})
	t.Run("a standby that is killed is not noticed", func(t *testing.T) {
		current := nodeAt(addresses[c.nodes.current])
		must(t, current.Kill())
		for range 10 {
			must(t, opens(c))
		}
		must(t, current.Start())
		must(t, current.WaitReady(t.Context()))
	})
	t.Run("a sealed leader is passed over once there is another", func(t *testing.T) {
		addresses, leader := leaderLast()
		home, _ := f.client(func(cfg *Config) { cfg.Address = []string{leader.Address, addresses[0], addresses[1]} })
		must(t, opens(home))
		must(t, leader.Seal(t.Context()))
		afterAnElection(home)
		if home.nodes.current == 0 {
			t.Error("the sealed node answered")
		}
		must(t, vault.Unseal(t.Context()))
	})
	t.Run("a leader that is killed is followed by another", func(t *testing.T) {
		_, leader := leaderLast()
		must(t, leader.Kill())
		afterAnElection(c)
		must(t, opens(c))
	})
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins: a token is good at every node", n)
	}
}

// forbidForwarding asks standbys not to forward requests, as those would do whose
// forwarding is switched off.
func forbidForwarding(c *testClient) {
	for _, client := range c.vault.clients {
		client.AddHeader("X-Vault-No-Request-Forwarding", "true")
	}
}
