package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
)

// Load balancers and liveness probes act on these endpoints, so the operator guide
// says what they answer while a plugin refuses.
func TestAnAPIServerWhosePluginRefusesIsAliveAndNotReady(t *testing.T) {
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "before", 3)
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		s.check(s.untilHealth(a, path, true))
	}

	s.check(s.vault.PutPolicy(s.ctx, "kmsplugin", tokenLines(t, policy(t))))
	s.check(s.untilHealth(a, "/readyz", false))
	s.check(s.untilHealth(a, "/healthz", false))
	if status, body, err := a.Health(s.ctx, "/livez"); err != nil || status != http.StatusOK {
		t.Errorf("/livez answers %d while only the plugin refuses, so a liveness probe would restart the API server: %v %s", status, err, body)
	}
	s.readAll(a) // with seeds that it has cached

	s.check(s.vault.PutPolicy(s.ctx, "kmsplugin", policy(t)))
	s.check(s.untilHealth(a, "/readyz", true))
	s.check(s.untilHealth(a, "/healthz", true))
	s.prove(p, a)
}

// tokenLines is a policy without its lines about the key.
func tokenLines(t *testing.T, policy string) string {
	t.Helper()
	var kept []string
	for line := range strings.Lines(policy) {
		if strings.Contains(line, `path "auth/token/`) {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		t.Fatal("the policy has no line about the token")
	}
	return strings.Join(kept, "")
}

// untilHealth waits until an endpoint of an API server passes, or fails because of
// the plugin.
func (s *stack) untilHealth(a *cluster.APIServer, path string, pass bool) error {
	err := cluster.Until(s.ctx, func(ctx context.Context) error {
		status, body, err := a.Health(ctx, path)
		switch {
		case err != nil:
			return err
		case pass && status != http.StatusOK:
			return fmt.Errorf("status %d: %s", status, body)
		case !pass && status == http.StatusOK:
			return errors.New("it passes")
		case !pass && !strings.Contains(body, "[-]kms-providers failed"):
			return fmt.Errorf("it fails with status %d, and does not name the plugin: %s", status, body)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s of the API server (pass: %v): %w", path, pass, err)
	}
	return nil
}
