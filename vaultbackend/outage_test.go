package vaultbackend

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

// everyOperation returns the error of each operation, none of which may differ
// in what an outage is.
func everyOperation(ctx context.Context, c *Client, sealed []byte) map[string]error {
	errs := map[string]error{}
	_, errs["read"] = c.ReadKey(ctx)
	_, errs["decrypt"] = c.Decrypt(ctx, []backend.DecryptItem{{Ciphertext: sealed, AssociatedData: []byte("ad")}})
	if errs["decrypt"] == nil {
		_, errs["decrypt"] = decrypt(ctx, c, sealed, "ad")
	}
	_, errs["encrypt"] = c.Encrypt(ctx, []backend.EncryptItem{{Version: 1, Plaintext: []byte("p")}})
	_, errs["hmac"] = c.HMAC(ctx, []backend.HMACItem{{Version: 1, Input: []byte("x")}})
	return errs
}

func allFail(t *testing.T, c *Client, sealed []byte, class backend.Class, reason string) {
	t.Helper()
	for op, err := range everyOperation(t.Context(), c, sealed) {
		t.Log(op, err)
		failed(t, err, class, reason)
	}
}

func allWork(t *testing.T, c *Client, sealed []byte) {
	t.Helper()
	for op, err := range everyOperation(t.Context(), c, sealed) {
		if err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestAVaultThatComesAndGoes(t *testing.T) {
	single := clustertest.New(t, components.Vault)
	vault, err := single.StartVault(t.Context(), 1)
	must(t, err)
	noLeaks(t)
	f := newFixtureIn(t, vault, nil, nil)
	c, obs := f.client()
	sealed := encrypt(t, c, 1, "ad", "p")[0]

	must(t, vault.Seal(t.Context()))
	allFail(t, c, sealed, backend.Outage, "Vault is sealed")
	must(t, vault.Unseal(t.Context()))
	allWork(t, c, sealed)

	must(t, vault.Stop(t.Context()))
	allFail(t, c, sealed, backend.Outage, "Vault cannot be reached")
	late, _ := f.client() // one that starts during the outage
	allFail(t, late, sealed, backend.Outage, "Vault cannot be reached")
	must(t, vault.Restart(t.Context()))
	allWork(t, c, sealed)
	until(t, "the late one logs in", func() bool {
		_, err := late.ReadKey(t.Context())
		return err == nil
	}, func() {})
	allWork(t, late, sealed)
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins: the token outlives an outage", n)
	}

	root := vault.Client()
	must(t, root.Sys().UnmountWithContext(t.Context(), "transit"))
	allFail(t, c, sealed, backend.Outage, "Vault has no Transit engine at this path")
	f.write("sys/mounts/transit", map[string]any{"type": "transit"})
	_, err = c.ReadKey(t.Context())
	failed(t, err, backend.Refusal, "encryption key not found")
	_, err = decrypt(t.Context(), c, sealed, "ad")
	failed(t, err, backend.Refusal, "encryption key not found")

	must(t, root.Sys().DisableAuthWithContext(t.Context(), "approle"))
	allFail(t, c, sealed, backend.Credentials, "Vault refuses the login")
}

// TestThreeNodes takes one node after the other away from a Raft cluster.
func TestThreeNodes(t *testing.T) {
	raft := clustertest.New(t, components.Vault)
	vault, err := raft.StartVault(t.Context(), 3)
	must(t, err)
	noLeaks(t)
	f := newFixtureIn(t, vault, nil, nil)
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
	opens := func(c *Client, sealed []byte) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond) // the plugin's own
		defer cancel()
		_, err := decrypt(ctx, c, sealed, "ad")
		return err
	}
	// afterAnElection waits until c opens what was sealed, and allows outages meanwhile.
	afterAnElection := func(c *Client, sealed []byte) {
		t.Helper()
		reasons := map[string]bool{}
		until(t, "another node leads and decrypts", func() bool {
			err := opens(c, sealed)
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
	sealed := encrypt(t, c, 1, "ad", "p")[0]

	t.Run("a standby that hangs costs one pause", func(t *testing.T) {
		first := nodeAt(addresses[0])
		must(t, first.Pause())
		for range 10 {
			must(t, opens(c, sealed))
		}
		late, _ := f.client(func(cfg *Config) { cfg.Address = addresses })
		until(t, "it has logged in, for which the first node is given more time", func() bool { return opens(late, sealed) == nil }, func() {})
		must(t, first.Resume())
		if c.nodes.current == 0 {
			t.Error("requests still go to the node that hung")
		}
	})
	t.Run("a standby that redirects leads to the leader", func(t *testing.T) {
		redirected, _ := f.client(func(cfg *Config) { cfg.Address = []string{addresses[0], addresses[2]} })
		forbidForwarding(redirected)
		must(t, opens(redirected, sealed))
		if redirected.nodes.current != 1 {
			t.Error("the redirect was not followed")
		}
		alone, _ := f.client(func(cfg *Config) { cfg.Address = addresses[:1] })
		forbidForwarding(alone)
		failed(t, opens(alone, sealed), backend.Outage, "Vault redirects to an address that is not configured")
	})
	t.Run("a standby that is killed is not noticed", func(t *testing.T) {
		current := nodeAt(addresses[c.nodes.current])
		must(t, current.Kill())
		for range 10 {
			must(t, opens(c, sealed))
		}
		must(t, current.Start())
		must(t, current.WaitReady(t.Context()))
	})
	t.Run("a sealed leader is passed over once there is another", func(t *testing.T) {
		addresses, leader := leaderLast()
		home, _ := f.client(func(cfg *Config) { cfg.Address = []string{leader.Address, addresses[0], addresses[1]} })
		must(t, opens(home, sealed))
		must(t, leader.Seal(t.Context()))
		afterAnElection(home, sealed)
		if home.nodes.current == 0 {
			t.Error("the sealed node answered")
		}
		must(t, vault.Unseal(t.Context()))
	})
	t.Run("a leader that is killed is followed by another", func(t *testing.T) {
		_, leader := leaderLast()
		must(t, leader.Kill())
		afterAnElection(c, sealed)
		allWork(t, c, sealed)
	})
	if n := obs.count(opLogin); n != 1 {
		t.Errorf("%d logins: a token is good at every node", n)
	}
}

// forbidForwarding asks standbys not to forward requests, as those would do whose
// forwarding is switched off.
func forbidForwarding(c *Client) {
	for _, client := range c.vault.clients {
		client.AddHeader("X-Vault-No-Request-Forwarding", "true")
	}
}

// TestAVaultThatHangs needs a fake: a listener that accepts and never answers,
// as a stopped process or a firewall that swallows packets would.
func TestAVaultThatHangs(t *testing.T) {
	noLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var held []net.Conn
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-accepting
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	cfg := DefaultConfig()
	cfg.Address, cfg.Key = []string{"https://" + listener.Addr().String()}, "k"
	cfg.Auth.RoleID, cfg.Auth.SecretIDFile = "r", t.TempDir()+"/secret-id"
	must(t, os.WriteFile(cfg.Auth.SecretIDFile, []byte("s"), 0o600))
	c, _ := newClient(t, cfg)

	const deadline = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	for _, err := range everyOperation(ctx, c, []byte("vault:v1:AAAA")) {
		failed(t, err, backend.Outage, "no answer from Vault within the deadline")
	}
	// What waits for the login to end by itself takes loginTimeout.
	if took := time.Since(start); took > loginTimeout/2 {
		t.Errorf("all took %v of the %v they had", took, deadline)
	}
	start = time.Now()
	c.Close()
	if took := time.Since(start); took > loginTimeout/2 {
		t.Errorf("Close took %v while a login hung", took)
	}
}

func TestAClosedClientSaysSo(t *testing.T) {
	f := newFixture(t, nil)
	for op, err := range everyOperation(t.Context(), closedClient(t, f.cfg), []byte("vault:v1:AAAA")) {
		failed(t, err, backend.Outage, "the Vault client is closed")
		if err != nil && !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func closedClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, _ := newClient(t, cfg)
	c.Close()
	return c
}

// TestCloseEndsRequestsAtEveryNode has two nodes that hang, and a caller who sets
// no deadline.
func TestCloseEndsRequestsAtEveryNode(t *testing.T) {
	noLeaks(t)
	release, arrived := make(chan struct{}), make(chan struct{}, 2)
	hang := letIn(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	c, _ := newClient(t, fakeConfig(t, fakeNode(t, hang), fakeNode(t, hang)))
	t.Cleanup(func() { close(release) })
	got := make(chan error, 1)
	go func() { got <- reads(t, c) }()
	<-arrived
	<-arrived
	c.Close() // returns before the requests end by themselves, or they would say so
	failed(t, <-got, backend.Outage, "the request was given up")
}
