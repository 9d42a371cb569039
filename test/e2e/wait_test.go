package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// waitState waits until the plugin's last probe met the given state.
func waitState(s *stack, p *cluster.Plugin, state string) {
	s.t.Helper()
	s.check(p.Until(s.ctx, "be in state "+state, func(ctx context.Context) error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return err
		}
		if v, _ := m.Sum("sealproof_vault_state", "state="+state); v != 1 {
			return fmt.Errorf("%s is not in state %s", p.Name(), state)
		}
		return nil
	}))
}

// statusError is what the API server would be told.
func statusError(s *stack, p *cluster.Plugin) error {
	_, err := p.KMS().Status(s.ctx, &kms.StatusRequest{})
	return err
}

// waitStatus waits until the first probe has ended and Status fails with a code,
// and returns what it says.
func waitStatus(s *stack, p *cluster.Plugin, want codes.Code) (said error) {
	s.t.Helper()
	s.check(p.Until(s.ctx, "refuse with "+want.String(), func(context.Context) error {
		if said = statusError(s, p); status.Code(said) != want || strings.Contains(said.Error(), "no answer yet") {
			return fmt.Errorf("Status says %w, want %v", said, want)
		}
		return nil
	}))
	return said
}

// waitUntil waits for a moment of this machine's clock, which is also Vault's.
func (s *stack) waitUntil(moment time.Time) {
	s.t.Helper()
	select {
	case <-time.After(time.Until(moment)):
	case <-s.ctx.Done():
		s.t.Fatal(context.Cause(s.ctx))
	}
}
