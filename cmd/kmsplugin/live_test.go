package main

import (
	"context"
	"fmt"
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
	if err != nil || !strings.Contains(report, "served, 0 failed") || !strings.Contains(report, "could have served for another 2") {
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
	if status != 1 || !strings.Contains(out, "NO: ") || !strings.Contains(out, "could decrypt nothing") {
		t.Errorf("a plugin that waits for Vault: status %d: %s%s", status, out, errs)
	}
}

// TestADeletedKeyIsWithheldAndServedOnceTheGlassIsBroken has a real Vault lose the
// key, and breaks the glass with a signal.
func TestADeletedKeyIsWithheldAndServedOnceTheGlassIsBroken(t *testing.T) {
	l := newLab(t)
	p := l.start(l.role(l.printed()), map[string]any{"promotion-delay": "2s"})
	says := func(times int, want string) {
		l.Helper()
		l.check(cluster.Until(l.ctx, func(context.Context) error {
			text, err := p.Log()
			if n := strings.Count(text, want); err == nil && n != times {
				err = fmt.Errorf("its log says %q %d times, not %d", want, n, times)
			}
			return err
		}))
	}
	l.check(p.WaitServing(l.ctx))
	stored := l.seal(p)
	l.check(p.Configure(map[string]any{"on-refusal": "perhaps"}))
	l.check(p.Reload())
	says(1, "nothing is changed")
	l.open(p, stored) // SIGHUP has not ended it

	l.check(l.vault.DeleteKey(l.ctx, labKey))
	says(1, "WITHHELD")
	l.complains(p, "encryption key not found")
	status, out, errs := run(t, "status", "--config", p.ConfigFile())
	for _, want := range []string{"NO: ", "encryption key not found", "WITHHELD transit/" + labKey, "LOST in 2", "Do NOT restart or upgrade", "on-refusal: lease", "kill -HUP"} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q: %s%s", status, want, out, errs)
		}
	}

	l.check(p.Configure(map[string]any{"on-refusal": "lease", "request-timeout": "1s"}))
	l.check(p.Reload())
	l.check(p.WaitServing(l.ctx))
	says(1, "other changes of the configuration need a restart")
	l.open(p, stored)
	l.open(p, l.seal(p))
	status, out, errs = run(t, "status", "--config", p.ConfigFile())
	for _, want := range []string{"yes, although Vault refuses the key", "REFUSED BUT SERVED"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q: %s%s", status, want, out, errs)
		}
	}

	// Another key of the name releases nothing, once the glass is whole again.
	l.check(p.Configure(map[string]any{"on-refusal": "withhold"}))
	l.check(p.Reload())
	says(2, "WITHHELD")
	l.complains(p, "encryption key not found")
	l.check(l.vault.CreateKey(l.ctx, labKey, nil))
	l.check(p.WaitServing(l.ctx))
	l.open(p, l.seal(p))
	if _, err := p.KMS().Decrypt(l.ctx, stored); err == nil || !strings.Contains(err.Error(), "withheld") {
		t.Errorf("what the deleted key sealed: %v", err)
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
