package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/test/chaos/plan"
	"github.com/sealproof/sealproof/test/cluster"
)

// stepLimit bounds a step that hangs. It is many times what any takes.
const stepLimit = 15 * time.Minute

// do does one step, and waits until what it was done to is as the plan says. Unless the
// step is hasty it also waits until every plugin has noticed.
func (s *stage) do(ctx context.Context, step plan.Step) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	w := s.record.World().After(step)
	h := &s.hosts[step.Host]
	var err error
	switch step.Part {
	case plan.Link:
		for node, link := range h.links {
			if step.Node == node || step.Node == plan.All {
				err = errors.Join(err, spoil(ctx, link, step.Action))
			}
		}
	case plan.Vault:
		err = s.doVault(ctx, s.vault.Node(step.Node), step.Action)
	case plan.Plugin:
		err = doPlugin(ctx, h.plugin, step.Action)
	case plan.API:
		err = doAPI(ctx, h.api, step.Action)
	case plan.Key:
		err = s.rotate(ctx, &w)
	case plan.Token:
		err = s.revoke(ctx, &w, h.role)
	}
	if err != nil || step.Hasty {
		return err
	}
	if err := s.serveVault(ctx, &w); err != nil {
		return err
	}
	return s.settle(ctx, w)
}

func spoil(ctx context.Context, link *cluster.Proxy, action plan.Action) error {
	switch action {
	case plan.DoCut:
		link.Cut()
		return nil
	case plan.DoHang:
		return link.Hang()
	default:
		return link.Heal(ctx)
	}
}

func (s *stage) doVault(ctx context.Context, n *cluster.VaultNode, action plan.Action) error {
	switch action {
	case plan.DoKill:
		return n.Kill()
	case plan.DoPause:
		return n.Pause()
	case plan.DoResume:
		return n.Resume()
	case plan.DoSeal:
		// Vault seals the node that leads; another one is sealed by a restart.
		if leads, err := n.Leads(ctx); err == nil && leads && n.Seal(ctx) == nil {
			return sealed(ctx, n)
		}
		if err := errors.Join(n.Kill(), n.Start()); err != nil {
			return err
		}
		return n.WaitAnswer(ctx)
	case plan.DoStart:
		if err := n.Start(); err != nil {
			return err
		}
		return n.WaitUnsealed(ctx)
	default:
		return n.WaitUnsealed(ctx)
	}
}

// sealed waits until a node is, which it may answer before it is.
func sealed(ctx context.Context, n *cluster.VaultNode) error {
	return cluster.Until(ctx, func(ctx context.Context) error {
		health, err := n.Client().Sys().HealthWithContext(ctx)
		if err == nil && !health.Sealed {
			err = fmt.Errorf("%s is not sealed", n.Name())
		}
		return err
	})
}

// doPlugin waits for the socket only: a plugin may have to wait for Vault.
func doPlugin(ctx context.Context, p *cluster.Plugin, action plan.Action) error {
	switch action {
	case plan.DoKill:
		return p.Kill()
	case plan.DoPause:
		return p.Pause()
	case plan.DoResume:
		return p.Resume()
	default:
		return p.Restart(ctx)
	}
}

// doAPI waits until the API server is ready: none is started whose plugin could not
// serve it, with or without Vault.
func doAPI(ctx context.Context, a *cluster.APIServer, action plan.Action) error {
	if action == plan.DoKill {
		return a.Kill()
	}
	return a.Restart(ctx)
}

// up are the Vault nodes that the plan takes for serving.
func (s *stage) up(w *plan.World) []*cluster.VaultNode {
	var up []*cluster.VaultNode
	for i, state := range w.Vault {
		if state == plan.Up {
			up = append(up, s.vault.Node(i))
		}
	}
	return up
}

// serveVault waits until every Vault node that is up serves, if there are enough of
// them. Vault 1.21.0 does not always get there by itself: a leader that was paused may
// go on as if it led, answer from what it held then, and keep the others from serving,
// for as long as was waited for. So they are restarted then, as an operator would do.
func (s *stage) serveVault(ctx context.Context, w *plan.World) error {
	if !w.Quorum() {
		return nil
	}
	const answerLimit, tries = 20 * time.Second, 5
	for try := 1; ; try++ {
		err := s.waitVault(ctx, w, answerLimit)
		if err == nil || try == tries || ctx.Err() != nil {
			return err
		}
		s.log("Vault does not serve, and is restarted: %v", err)
		for _, n := range s.up(w) {
			if err := errors.Join(n.Kill(), n.Start()); err != nil {
				return err
			}
		}
		for _, n := range s.up(w) {
			if err := n.WaitUnsealed(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *stage) waitVault(ctx context.Context, w *plan.World, answerLimit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	return cluster.Until(ctx, func(ctx context.Context) error {
		for _, n := range s.up(w) {
			version, err := newestVersion(ctx, n)
			if err != nil {
				return err
			}
			if version < s.version {
				return fmt.Errorf("%s knows version %d of the key, not %d", n.Name(), version, s.version)
			}
		}
		return nil
	})
}

// newestVersion is that of the key, as a node sees it.
func newestVersion(ctx context.Context, n *cluster.VaultNode) (int, error) {
	key, err := n.Client().Logical().ReadWithContext(ctx, keyPath)
	if err != nil {
		return 0, fmt.Errorf("read the key through %s: %w", n.Name(), err)
	}
	if key == nil {
		return 0, fmt.Errorf("read the key through %s: there is none", n.Name())
	}
	latest, _ := key.Data["latest_version"].(json.Number)
	version, err := latest.Int64()
	if err != nil {
		return 0, fmt.Errorf("read the key through %s: latest_version is %v", n.Name(), key.Data["latest_version"])
	}
	return int(version), nil
}

// ask asks a Vault that serves, and anew where its leader has just changed.
func (s *stage) ask(ctx context.Context, w *plan.World, question func(context.Context, *cluster.VaultNode) error) error {
	if err := s.serveVault(ctx, w); err != nil {
		return err
	}
	return cluster.Until(ctx, func(ctx context.Context) error { return question(ctx, s.up(w)[0]) })
}

// rotate adds a version to the key. The answer may be lost with a leader, so what counts
// is what Vault shows afterwards.
func (s *stage) rotate(ctx context.Context, w *plan.World) error {
	before := s.version
	return s.ask(ctx, w, func(ctx context.Context, through *cluster.VaultNode) error {
		if _, err := through.Client().Logical().WriteWithContext(ctx, keyPath+"/rotate", nil); err != nil {
			return fmt.Errorf("rotate the key: %w", err)
		}
		after, err := newestVersion(ctx, through)
		if err == nil && after <= before {
			err = fmt.Errorf("the key is at version %d after its rotation, before at %d", after, before)
		}
		if err == nil {
			s.version = after
		}
		return err
	})
}

// revoke takes the token of one plugin away, which logs in again.
func (s *stage) revoke(ctx context.Context, w *plan.World, role cluster.AppRole) error {
	return s.ask(ctx, w, func(ctx context.Context, through *cluster.VaultNode) error {
		_, err := s.vault.RevokeRole(ctx, through, role)
		return err
	})
}
