package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/process"
)

// grace is how long running requests may take to finish once the plugin is told to
// stop: longer than the API server waits for any of them.
const grace = 5 * time.Second

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the KMS v2 API on a unix socket until interrupted",
		Long: `Serve the KMS v2 API on a unix socket until interrupted.

The socket is bound before the first request to Vault. While Vault is unreachable
the plugin waits, and reports the reason in its log, in /readyz and in the error of
Status. It never exits because of an outage.

At SIGHUP it reads the configuration again and applies on-refusal, nothing else.`,
		Example: `  kmsplugin serve --config /etc/kmsplugin/config.yaml
  KMSPLUGIN_LOG_LEVEL=debug kmsplugin serve --config config.yaml --socket-path /tmp/kms.sock`,
		Args: cobra.NoArgs,
	}
	load := addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		log, queue, err := c.logger(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		err = serve(cmd.Context(), c, load, log)
		return errors.Join(err, queue.Flush())
	}
	return cmd
}

// serve runs the plugin until the context ends or a part of it fails. load reads
// the configuration again.
func serve(ctx context.Context, c config, load func() (config, error), log *slog.Logger) (err error) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // first: until then the signal ends the process
	defer signal.Stop(hangups)
	if err := harden(c); err != nil {
		return err
	}
	p := &plugin{config: c, log: log}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.assemble(ctx); err != nil {
		return err
	}
	log.Info("serving", "socket", c.Socket.Path, "cluster", c.Cluster, "vault", c.Vault.Address,
		"mount", c.Vault.Mount, "key", c.Vault.Key, "previous", len(c.Previous), "envelope", c.Envelope,
		"version", p.build.Version, "commit", p.build.Commit, "pid", os.Getpid())
	reload := &reloader{running: c, load: load, apply: p.service.SetOnRefusal, log: log}
	err = p.run(ctx, func(ctx context.Context) { reload.run(ctx, hangups) })
	log.Info("stopped", "error", textOf(err))
	return err
}

// harden keeps keys out of core files, and out of swap if configured.
func harden(c config) error {
	if err := process.ForbidDumps(); err != nil {
		return err
	}
	if !c.LocalKEK.LockMemory {
		return nil
	}
	if err := process.LockMemory(); err != nil {
		return fmt.Errorf("local-kek.lock-memory: %w", err)
	}
	return nil
}

// run serves until the context ends or a server fails. attend runs during that time.
func (p *plugin) run(ctx context.Context, attend func(context.Context)) (err error) {
	// The Service and the Vault clients outlive the servers, so that running requests
	// can finish.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var workers errgroup.Group
	workers.Go(func() error { p.service.Run(background); return nil })
	workers.Go(func() error { attend(background); return nil })
	for _, v := range p.vaults {
		workers.Go(func() error { return v.Run(background) })
	}
	defer func() { stop(); err = errors.Join(err, workers.Wait()) }()

	if p.listener == nil {
		p.entrance.wait(ctx, func(ctx context.Context) error { _, err := p.service.Status(ctx); return err })
		if ctx.Err() != nil {
			return nil
		}
		if err := p.openEntrance(ctx); err != nil {
			return err
		}
	}
	servers, ctx := errgroup.WithContext(ctx)
	servers.Go(func() error { return p.service.Serve(ctx, p.listener, grace) })
	servers.Go(func() error { watchSocket(ctx, p.listener); return nil })
	servers.Go(func() error { p.web.serve(ctx, kmsplugin.NewHandler(p.service, p.registry)); return nil })
	if err := p.manager.Ready("serving on " + p.config.Socket.Path); err != nil {
		p.log.Error("systemd cannot be notified that this service is ready; it may stop the service after TimeoutStartSec=", "cause", err.Error())
	}
	stopping := context.AfterFunc(ctx, func() { _ = p.manager.Stopping() }) // informative only
	defer stopping()
	return servers.Wait()
}
