package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/process"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/kmsplugin/systemd"
	"github.com/sealproof/sealproof/vaultbackend"
)

// grace is how long requests under way may take to finish once the plugin is
// asked to stop: longer than the API server waits for any of them.
const grace = 5 * time.Second

// keepName is the name of the place in systemd's store for local keys. It never
// changes, or an upgrade would not find them.
const keepName = "local-keys"

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the KMS v2 API on a unix socket until interrupted",
		Long: `Serve the KMS v2 API on a unix socket until interrupted.

The socket is bound before Vault is asked anything. While Vault cannot be
reached the plugin waits, and says why in its log, in /readyz and in the error of
Status; it never exits because of an outage.`,
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
		log, err := c.logger(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return serve(cmd.Context(), c, log)
	}
	return cmd
}

// serve wires the parts together and runs them until the context ends or one of
// them fails.
func serve(ctx context.Context, c config, log *slog.Logger) (err error) {
	if err := process.ForbidDumps(); err != nil {
		return err
	}
	if c.LocalKEK.LockMemory {
		if err := process.LockMemory(); err != nil {
			return fmt.Errorf("local-kek.lock-memory: %w", err)
		}
	}
	manager, err := systemd.FromEnvironment()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	// Bound before the socket: whoever finds the plugin serving finds its health.
	web, err := bindWeb(ctx, c.Listen, c.ListenTLS, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, web.close()) }()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := kmsplugin.NewMetrics(registry)
	entrance, err := newEntrance(ctx, c.Socket, manager, metrics.PeerRefused, log)
	if err != nil {
		return err
	}
	var listener *socket.Listener
	if !entrance.replaces {
		if listener, err = entrance.open(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, listener.Close()) }()
	}

	vaults, sources, err := connect(c, metrics, log)
	if err != nil {
		return err
	}
	defer func() {
		for _, v := range vaults {
			v.Close()
		}
	}()
	build := cli.BuildOf("kmsplugin")
	parts := kmsplugin.Parts{
		Writes: sources[0], Previous: sources[1:],
		Boot: kmsplugin.SinceBoot, Metrics: metrics, Log: log,
		Build: kmsplugin.Build{Version: build.Version, Commit: build.Commit, Go: build.Go},
	}
	if c.LocalKEK.Keep == kmsplugin.KeepSystemd {
		if parts.Keep, parts.Machine, err = keepWith(manager); err != nil {
			return err
		}
	} else if err := discardKept(manager); err != nil {
		log.Error("local keys kept by an earlier configuration are still in systemd's store", "cause", err.Error())
	}
	service := kmsplugin.NewService(c.Config, parts)

	log.Info("serving", "socket", c.Socket.Path, "cluster", c.Cluster, "vault", c.Vault.Address,
		"mount", c.Vault.Mount, "key", c.Vault.Key, "previous", len(c.Previous), "envelope", c.Envelope,
		"version", build.Version, "commit", build.Commit, "pid", os.Getpid())

	// The Service and the Vault clients outlive the servers, so that requests
	// under way can finish.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept errgroup.Group
	kept.Go(func() error { service.Run(background); return nil })
	for _, v := range vaults {
		kept.Go(func() error { return v.Run(background) })
	}
	defer func() { stop(); err = errors.Join(err, kept.Wait()) }()

	if listener == nil {
		entrance.wait(ctx, func(ctx context.Context) error { _, err := service.Status(ctx); return err })
		if ctx.Err() != nil {
			return nil
		}
		if listener, err = entrance.open(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, listener.Close()) }()
	}

	servers, ctx := errgroup.WithContext(ctx)
	servers.Go(func() error { return service.Serve(ctx, listener, grace) })
	servers.Go(func() error { return web.serve(ctx, kmsplugin.NewHandler(service, registry)) })
	if err := manager.Ready("serving on " + c.Socket.Path); err != nil {
		log.Error("systemd does not hear that this service is ready", "cause", err.Error())
	}
	stopping := context.AfterFunc(ctx, func() { _ = manager.Stopping() }) // a courtesy
	defer stopping()
	err = servers.Wait()
	log.Info("stopped", "error", errorText(err))
	return err
}

// keepWith returns systemd's file descriptor store for local keys. Where it was
// asked for and does not work, not starting is the answer that is noticed.
func keepWith(manager *systemd.Manager) (kmsplugin.Keep, string, error) {
	slot, err := manager.Slot(keepName)
	if err != nil {
		return nil, "", fmt.Errorf("local-kek.keep: %w", err)
	}
	machine, err := kmsplugin.BootID()
	if err != nil {
		return nil, "", fmt.Errorf("local-kek.keep: %w", err)
	}
	return slot, machine, nil
}

// discardKept empties the store, if there is one, where it is no longer wanted.
func discardKept(manager *systemd.Manager) error {
	slot, err := manager.Slot(keepName)
	if err != nil {
		return nil //nolint:nilerr // no store, so nothing in it
	}
	return slot.Clear()
}

// connect prepares a Vault client for the key that writes, the first, and for
// each that only decrypts. It contacts nobody.
func connect(c config, metrics *kmsplugin.Metrics, log *slog.Logger) (vaults []*vaultbackend.Client, sources []kmsplugin.Source, err error) {
	defer func() {
		if err != nil {
			for _, v := range vaults {
				v.Close()
			}
		}
	}()
	add := func(name string, vc vaultbackend.Config) error {
		observer := metrics.Observer(name)
		v, err := vaultbackend.New(vc, log.With("source", name), kmsplugin.SinceBoot, observer)
		if err != nil {
			return fmt.Errorf("set up Vault client of %s: %w", name, err)
		}
		vaults = append(vaults, v)
		sources = append(sources, kmsplugin.Source{Name: name, ID: vc.KeyPath(), Backend: v, Observer: observer})
		return nil
	}
	if err := add("vault", c.Vault); err != nil {
		return vaults, nil, err
	}
	for i := range c.Previous {
		previous, err := c.previous(i)
		if err == nil {
			err = add(previousName(i), previous)
		}
		if err != nil {
			return vaults, nil, err
		}
	}
	return vaults, sources, nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
