package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// auditLog counts what Vault's own audit log says it was asked.
type auditLog struct {
	*lab
	file string
	read int // bytes counted before
}

// since returns the requests since the last call, by path.
func (a *auditLog) since() map[string]int {
	a.Helper()
	text, err := os.ReadFile(a.file)
	a.check(err)
	text = text[a.read : bytes.LastIndexByte(text, '\n')+1] // the last line may be half written
	a.read += len(text)
	count := map[string]int{}
	for line := range bytes.Lines(text) {
		var entry struct {
			Type    string
			Request struct{ Path string }
		}
		a.check(json.Unmarshal(line, &entry))
		// What the test itself asks, as root, goes to other paths.
		path := entry.Request.Path
		ours := strings.HasPrefix(path, "auth/") && !strings.Contains(path, "/role/") || strings.HasPrefix(path, "transit/") && !strings.HasSuffix(path, "/rotate")
		if entry.Type == "request" && ours {
			count[strings.Replace(path, labKey, "K", 1)]++
		}
	}
	return count
}

func (a *auditLog) expect(when string, want map[string]int) {
	a.Helper()
	if got := a.since(); !maps.Equal(got, want) {
		a.Errorf("%s: %v, want %v", when, got, want)
	}
}

// TestWhatVaultIsAsked holds the table in docs/vault-admin.md to a real audit log.
func TestWhatVaultIsAsked(t *testing.T) {
	l := newLab(t)
	file, err := l.vault.EnableAudit(l.ctx)
	l.check(err)
	audit := &auditLog{lab: l, file: file}
	role := func(policy string) cluster.AppRole {
		l.n++
		r, err := l.vault.AppRole(l.ctx, fmt.Sprintf("long-%d", l.n), policy, map[string]any{"token_no_default_policy": true})
		l.check(err)
		return r
	}
	// One probe at the start and none after it.
	slow := map[string]any{"probe-interval": "10m", "probe-interval-failing": "10m", "promotion-delay": "1h"}
	p := l.start(role(l.printed()), slow)
	l.check(p.WaitServing(l.ctx))
	l.check(asked(l, p, "lookup", 1))
	audit.expect("start, one version", map[string]int{
		"auth/approle/login": 1, "auth/token/lookup-self": 1, "transit/keys/K": 1, "transit/hmac/K/sha2-256": 1, "transit/encrypt/K": 1, "transit/decrypt/K": 1,
	})
	var stored []*kms.DecryptRequest
	for range 5 {
		stored = append(stored, l.seal(p))
	}
	for _, r := range stored {
		l.open(p, r)
	}
	audit.expect("five Encrypts and Decrypts, envelope local", map[string]int{})
	l.check(p.Stop(l.ctx))
	audit.expect("stop", map[string]int{"auth/token/revoke-self": 1})

	for range 2 {
		_, err := l.vault.Rotate(l.ctx, labKey)
		l.check(err)
	}
	audit.since()
	l.check(p.Restart(l.ctx))
	l.check(p.WaitServing(l.ctx))
	l.check(p.WaitHeld(l.ctx, 3))
	l.check(asked(l, p, "lookup", 1))
	audit.expect("start, three versions", map[string]int{
		"auth/approle/login": 1, "auth/token/lookup-self": 1, "transit/keys/K": 2, "transit/hmac/K/sha2-256": 3, "transit/encrypt/K": 2, "transit/decrypt/K": 3,
	})
	l.check(p.Stop(l.ctx))

	quick := l.start(role(l.printed()), map[string]any{"probe-interval": "200ms", "probe-interval-failing": "200ms"})
	l.check(quick.WaitServing(l.ctx))
	l.check(quick.WaitHeld(l.ctx, 3))
	l.check(asked(l, quick, "lookup", 1))
	audit.since()
	idle, from := map[string]int{}, audit.read
	l.check(cluster.Until(l.ctx, func(context.Context) error {
		for path, n := range audit.since() {
			idle[path] += n
		}
		if idle["transit/keys/K"] < 5 {
			return fmt.Errorf("%v", idle)
		}
		return nil
	}))
	// A probe may be under way: read, and not yet decrypted.
	if reads, opens := idle["transit/keys/K"], idle["transit/decrypt/K"]; len(idle) != 2 || opens < reads-1 || opens > reads+1 {
		t.Errorf("idle, three versions: %v, want as many reads as decrypts and nothing else", idle)
	}
	t.Logf("idle, three versions: %d bytes of audit log a probe", (audit.read-from)/idle["transit/keys/K"])
	l.check(quick.Stop(l.ctx))
	audit.since()

	slow["envelope"] = "vault"
	wraps := l.start(role(l.printed("--envelope", "vault")), slow)
	l.check(wraps.WaitServing(l.ctx))
	l.check(asked(l, wraps, "decrypt", 3))
	l.check(asked(l, wraps, "lookup", 1))
	start := map[string]int{"auth/approle/login": 1, "auth/token/lookup-self": 1, "transit/keys/K": 2, "transit/encrypt/K": 2, "transit/decrypt/K": 3}
	audit.expect("start, three versions, envelope vault", start)
	var wrapped []*kms.DecryptRequest
	for range 3 {
		r := l.seal(wraps)
		l.open(wraps, r)
		wrapped = append(wrapped, r)
	}
	audit.expect("three Encrypts, each opened, envelope vault", map[string]int{"transit/encrypt/K": 3})
	l.check(wraps.Restart(l.ctx))
	l.check(wraps.WaitServing(l.ctx))
	l.check(asked(l, wraps, "decrypt", 3))
	l.check(asked(l, wraps, "lookup", 1))
	start["auth/token/revoke-self"] = 1
	audit.expect("restart, envelope vault", start)
	for range 2 {
		for _, r := range wrapped {
			l.open(wraps, r)
		}
	}
	audit.expect("three seeds opened twice, one after another, envelope vault", map[string]int{"transit/decrypt/K": 3})
	for _, r := range stored {
		l.open(wraps, r)
	}
	audit.expect("five seeds under one local KEK that is not held", map[string]int{"transit/decrypt/K": 1})
}

// asked waits until the plugin has made that many requests of a kind.
func asked(l *lab, p *cluster.Plugin, operation string, want float64) error {
	return p.Until(l.ctx, "make requests to Vault", func(ctx context.Context) error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return err
		}
		if n, _ := m.Sum("sealproof_vault_requests_total", "operation="+operation); n < want {
			return fmt.Errorf("%v %s requests", n, operation)
		}
		return nil
	})
}
