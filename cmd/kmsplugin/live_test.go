package main

import (
	"context"
	"strings"
	"testing"
	"time"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// TestStatusAndRehearsalOfARealPlugin asks a plugin that serves, cuts it off, and
// asks one that cannot serve.
func TestStatusAndRehearsalOfARealPlugin(t *testing.T) {
	l := newLab(t)
	p := l.start(l.role(l.printed()), nil)
	l.check(p.WaitServing(l.ctx))
	stored := l.seal(p)

	status, out, errs := run(t, "status", "--config", p.ConfigFile())
	for _, want := range []string{"yes, key_id " + stored.GetKeyId(), "transit/" + labKey, "1 (writes)", "yes, for 24h0m"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q: %s%s", status, want, out, errs)
		}
	}

	// Under a local KEK everything goes on.
	report, err := l.rehearse(p, stored)
	if err != nil || !strings.Contains(report, "served, 0 failed") || !strings.Contains(report, "could have gone on for another 2") {
		t.Errorf("%v: %s", err, report)
	}

	// With Vault wrapping each seed it does not, and the report says so.
	wraps := l.start(l.role(l.printed("--envelope", "vault")), map[string]any{"envelope": "vault"})
	l.check(wraps.WaitServing(l.ctx))
	report, err = l.rehearse(wraps, stored)
	if err == nil || !strings.Contains(report, "failed: ") || !strings.Contains(report, "every Encrypt") {
		t.Errorf("%v: %s", err, report)
	}
	l.open(wraps, stored) // Vault is in use again

	// Interrupted, the plugin has Vault again at once.
	ctx, interrupt := context.WithCancel(l.ctx)
	began := watchFor(interrupt, "cut off")
	err = rehearse(ctx, began, p.Socket(), time.Hour)
	if err == nil || !strings.Contains(err.Error(), "uses Vault again") {
		t.Errorf("interrupted: %v", err)
	}

	l.check(l.vault.Kill())
	l.check(wraps.Restart(l.ctx))
	status, out, errs = run(t, "status", "--config", wraps.ConfigFile())
	if status != 1 || !strings.Contains(out, "NO: ") || !strings.Contains(out, "could open nothing") {
		t.Errorf("a plugin that waits for Vault: status %d: %s%s", status, out, errs)
	}
}

// rehearse runs a rehearsal of a few seconds, in which an API server seals and
// opens.
func (l *lab) rehearse(p *cluster.Plugin, stored *kms.DecryptRequest) (string, error) {
	l.Helper()
	ctx, stop := context.WithCancel(l.ctx)
	var report strings.Builder
	began := watchFor(func() {
		go func() {
			defer stop()
			_, _ = p.KMS().Encrypt(ctx, &kms.EncryptRequest{Plaintext: make([]byte, 32), Uid: "rehearsed"})
			_, _ = p.KMS().Decrypt(ctx, stored)
		}()
	}, "cut off")
	began.next = &report
	err := rehearse(l.ctx, began, p.Socket(), 4*time.Second)
	<-ctx.Done()
	return report.String(), err
}

// watcher calls a function once a text was written to it.
type watcher struct {
	seen func()
	text string
	next *strings.Builder
}

func watchFor(seen func(), text string) *watcher {
	return &watcher{seen: seen, text: text, next: &strings.Builder{}}
}

func (w *watcher) Write(b []byte) (int, error) {
	if w.seen != nil && strings.Contains(string(b), w.text) {
		w.seen()
		w.seen = nil
	}
	return w.next.Write(b)
}
