package vaultbackend

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/vaulttest"
)

// everyOperation returns the error of each operation, none of which may differ
// in what an outage is.
func everyOperation(ctx context.Context, c *Key, sealed []byte) map[string]error {
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

func allFail(t *testing.T, c *Key, sealed []byte, class backend.Class, reason string) {
	t.Helper()
	for op, err := range everyOperation(t.Context(), c, sealed) {
		t.Log(op, err)
		failed(t, err, class, reason)
	}
}

func allWork(t *testing.T, c *Key, sealed []byte) {
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
	c, obs := f.key()
	sealed := encrypt(t, c, 1, "ad", "p")[0]

	must(t, vault.Seal(t.Context()))
	allFail(t, c, sealed, backend.Outage, "Vault is sealed")
	must(t, vault.Unseal(t.Context()))
	allWork(t, c, sealed)

	must(t, vault.Stop(t.Context()))
	allFail(t, c, sealed, backend.Outage, "Vault cannot be reached")
	late, _ := f.key() // one that starts during the outage
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
	allFail(t, c, sealed, backend.Outage, "Vault has no secrets engine at this path")
	f.write("sys/mounts/transit", map[string]any{"type": "transit"})
	_, err = c.ReadKey(t.Context())
	failed(t, err, backend.Refusal, "encryption key not found")
	_, err = decrypt(t.Context(), c, sealed, "ad")
	failed(t, err, backend.Refusal, "encryption key not found")

	must(t, root.Sys().DisableAuthWithContext(t.Context(), "approle"))
	allFail(t, c, sealed, backend.Credentials, "Vault refuses the login")
}

// TestAVaultThatHangs needs a fake: a listener that accepts and never answers,
// as a stopped process or a firewall that swallows packets would.
func TestAVaultThatHangs(t *testing.T) {
	const loginTimeout = 8 * time.Second // the client's
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
	c, _ := newKey(t, fakeConfig(t, "https://"+listener.Addr().String()))

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

func closedClient(t *testing.T, cfg Config) *Key {
	t.Helper()
	c, _ := newKey(t, cfg)
	c.Close()
	return c
}

// TestCloseEndsRequestsAtEveryNode has two nodes that hang, and a caller who sets
// no deadline.
func TestCloseEndsRequestsAtEveryNode(t *testing.T) {
	noLeaks(t)
	release, arrived := make(chan struct{}), make(chan struct{}, 2)
	hang := vaulttest.LetIn(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	c, _ := newKey(t, fakeConfig(t, vaulttest.FakeNode(t, hang), vaulttest.FakeNode(t, hang)))
	t.Cleanup(func() { close(release) })
	got := make(chan error, 1)
	go func() { got <- reads(t, c) }()
	<-arrived
	<-arrived
	c.Close() // returns before the requests end by themselves, or they would say so
	failed(t, <-got, backend.Outage, "the request was given up")
}
