package upgrade

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/internal/servicemanager"
)

// An upgrade in an outage of Vault must not cause an outage of the plugin.
func TestAPluginThatServesIsNotReplacedByOneThatCannot(t *testing.T) {
	s := newStack(t)
	c := caller{s.socket}
	config := s.config("plugin", map[string]any{"keep": "none"})
	old := s.manage("old", config, nil)
	s.check(old.Start(s.ctx))
	s.check(cluster.Until(s.ctx, c.status)) // it says that it is ready before Vault has answered
	before, err := c.encrypt(s.ctx)
	s.check(err)

	s.check(s.vault.Stop(s.ctx))
	next := s.manage("next", config, func(u *servicemanager.Unit) { u.Args = append(u.Args, "--socket-takeover") })
	started := make(chan error, 1)
	go func() { started <- next.Start(s.ctx) }()
	s.check(cluster.Until(s.ctx, func(context.Context) error {
		select {
		case err := <-started:
			return cluster.Hopeless(fmt.Errorf("the successor does not wait, its start ends with %w; it says: %s", err, s.log("next")))
		default:
		}
		if said := s.log("next"); !strings.Contains(said, "is not replaced before this one can serve") {
			return fmt.Errorf("the successor does not say yet that it waits, but: %s", said)
		}
		return nil
	}))
	s.check(c.status(s.ctx))
	s.check(c.decrypt(s.ctx, before))
	select {
	case err := <-started:
		t.Fatalf("the successor is ready in an outage: %v", err)
	default:
	}

	s.check(s.vault.Restart(s.ctx))
	s.check(<-started)
	s.check(old.Stop())
	s.check(c.status(s.ctx))
	s.check(c.decrypt(s.ctx, before))
}
