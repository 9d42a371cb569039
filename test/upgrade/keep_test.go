package upgrade

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/servicemanager"
)

func TestAPluginRestartedInAnOutageHasLostNothing(t *testing.T) {
	s := newStack(t)
	c := caller{s.socket}
	m := s.manage("kept", s.config("kept", map[string]any{"keep": "systemd"}), func(u *servicemanager.Unit) {
		s.activated(u)
		u.StoreMax = 4
	})
	s.check(m.Start(s.ctx))
	a := s.apiServer()
	s.check(s.secrets.Create(s.ctx, a, namespace, "before", 20))
	before, err := c.encrypt(s.ctx)
	s.check(err)
	if stored := m.Stored(); len(stored) != 1 || !strings.HasPrefix(stored[0], "local-keys.") {
		t.Fatalf("the store holds %v", stored)
	}

	s.check(s.vault.Stop(s.ctx))
	for _, restart := range []struct {
		name string
		do   func() error
	}{
		{"killed", func() error {
			if err := m.Kill(); err != nil {
				return err
			}
			return m.Start(s.ctx)
		}},
		{"restarted orderly", func() error { return m.Restart(s.ctx) }},
		{"killed once more", func() error {
			if err := m.Kill(); err != nil {
				return err
			}
			return m.Start(s.ctx)
		}},
	} {
		s.check(restart.do())
		s.check(c.status(s.ctx))
		s.check(c.decrypt(s.ctx, before))
		during, err := c.encrypt(s.ctx)
		s.check(err)
		s.check(c.decrypt(s.ctx, during))
		t.Logf("%s, the plugin serves; the store holds %v", restart.name, m.Stored())
	}
	// An API server that starts now knows nothing but what the plugin opens.
	s.check(a.Restart(s.ctx))
	s.readAll(a)
	s.check(s.secrets.Create(s.ctx, a, namespace, "during", 20))

	// A service that is stopped for good leaves nothing behind.
	s.check(m.Stop())
	if stored := m.Stored(); len(stored) != 0 {
		t.Errorf("stopped, the store holds %v", stored)
	}
	s.check(m.Start(s.ctx))
	if err := c.status(s.ctx); status.Code(err) != codes.Unavailable {
		t.Errorf("started from nothing in an outage, Status says %v", err)
	}
	s.check(s.vault.Restart(s.ctx))
	s.check(cluster.Until(s.ctx, c.status))
	s.check(c.decrypt(s.ctx, before))
	s.readAll(a)
}

// Without keeping, the same restart loses what the test above shows to survive;
// and what was kept under an earlier configuration is removed.
func TestAPluginThatKeepsNothingStartsFromNothing(t *testing.T) {
	s := newStack(t)
	c := caller{s.socket}
	config := s.config("plugin", map[string]any{"keep": "systemd"})
	m := s.manage("forgetful", config, func(u *servicemanager.Unit) {
		s.activated(u)
		u.StoreMax = 4
	})
	s.check(m.Start(s.ctx))
	before, err := c.encrypt(s.ctx)
	s.check(err)
	if len(m.Stored()) != 1 {
		t.Fatalf("the store holds %v", m.Stored())
	}

	s.config("plugin", map[string]any{"keep": "none"})
	s.check(m.Restart(s.ctx))
	s.check(c.decrypt(s.ctx, before))
	if stored := m.Stored(); len(stored) != 0 {
		t.Errorf("with keep: none the store still holds %v", stored)
	}
	s.check(s.vault.Stop(s.ctx))
	s.check(c.decrypt(s.ctx, before)) // as long as it runs
	s.check(m.Kill())
	s.check(m.Start(s.ctx))
	for name, err := range map[string]error{"Status": c.status(s.ctx), "Decrypt": c.decrypt(s.ctx, before)} {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("killed and started in an outage, %s says %v, want Unavailable", name, err)
		}
	}
	s.check(s.vault.Restart(s.ctx))
	s.check(cluster.Until(s.ctx, c.status))
	s.check(c.decrypt(s.ctx, before))
}

func TestKeepingWithoutAStoreIsRefusedAtTheStart(t *testing.T) {
	s := newStack(t)
	_, err := s.c.StartPlugin(s.ctx, cluster.PluginOptions{
		Vault: s.vault, Role: s.role, Key: keyName, Config: map[string]any{"local-kek": map[string]any{"keep": "systemd"}},
	})
	for _, want := range []string{"local-kek.keep", "NOTIFY_SOCKET", "FileDescriptorStoreMax="} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	m := s.manage("one", s.config("one", map[string]any{"keep": "systemd"}), func(u *servicemanager.Unit) { u.StoreMax = 1 })
	if err := m.Start(s.ctx); err == nil || !strings.Contains(s.log("one"), "FileDescriptorStoreMax=") {
		t.Errorf("with room for one descriptor: %v", err)
	}
}
