package vaultbackend

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
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
	cluster := clustertest.New(t, components.Vault)
	vault, err := cluster.StartVault(t.Context(), 1)
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

func TestALeaderThatIsKilled(t *testing.T) {
	cluster := clustertest.New(t, components.Vault)
	vault, err := cluster.StartVault(t.Context(), 3)
	must(t, err)
	noLeaks(t)
	f := newFixtureIn(t, vault, nil, nil)
	leader, err := vault.Leader(t.Context())
	must(t, err)
	var standbys []int
	for i := range vault.Nodes() {
		if vault.Node(i) != leader {
			standbys = append(standbys, i)
		}
	}
	c, _ := f.client(func(cfg *Config) { cfg.Address = []string{vault.Address(standbys[0])} })
	sealed := encrypt(t, c, 1, "ad", "p")[0]

	must(t, leader.Kill())
	reasons := map[string]bool{}
	until(t, "another node leads and decrypts", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := decrypt(ctx, c, sealed, "ad")
		cancel()
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
	allWork(t, c, sealed)
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
	if took := time.Since(start); took > 10*deadline {
		t.Errorf("all took %v of the %v they had", took, deadline)
	}
	start = time.Now()
	c.Close()
	if took := time.Since(start); took > 2*time.Second {
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
