package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/kmsplugin/systemd"
	"github.com/sealproof/sealproof/vaultbackend"
)

// slotName is the name of the slot in systemd's store for local KEKs. It never
// changes: an upgrade would not find them.
const slotName = "local-keys"

// plugin is everything that serve starts.
type plugin struct {
	config config
	build  cli.Build
	log    *slog.Logger

	manager  *systemd.Manager
	registry *prometheus.Registry
	web      *web
	entrance entrance
	listener *socket.Listener // nil until the entrance is open
	vaults   []*vaultbackend.Key
	service  *kmsplugin.Service

	closers []func() error
}

// onClose registers f for close, which runs the last registered first.
func (p *plugin) onClose(f func() error) { p.closers = append(p.closers, f) }

// close closes everything that was opened.
func (p *plugin) close() error {
	var errs []error
	for _, f := range slices.Backward(p.closers) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// assemble opens and connects the parts. It sends no request to Vault. After an error,
// close closes what was opened.
func (p *plugin) assemble(ctx context.Context) (err error) {
	c := p.config
	p.build = cli.BuildOf("kmsplugin")
	if p.manager, err = systemd.FromEnvironment(); err != nil {
		return err
	}
	p.onClose(p.manager.Close)
	// Bound before the socket, so that a serving plugin always has its health endpoint.
	p.web = bindWeb(ctx, c.Listen, c.ListenTLS, p.log)
	p.onClose(p.web.close)
	p.registry = prometheus.NewRegistry()
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := kmsplugin.NewMetrics(p.registry)
	if p.entrance, err = newEntrance(ctx, c.Socket, p.manager, metrics, p.log); err != nil {
		return err
	}
	if !p.entrance.replaces {
		if err := p.openEntrance(ctx); err != nil {
			return err
		}
	}
	p.onClose(p.closeVaults)
	sources, err := p.connect(metrics)
	if err != nil {
		return err
	}
	parts := kmsplugin.Parts{
		Writes: sources[0], Previous: sources[1:],
		Boot: kmsplugin.SinceBoot, Metrics: metrics, Log: p.log,
		Build: kmsplugin.Build{Version: p.build.Version, Commit: p.build.Commit, Go: p.build.Go},
	}
	if c.LocalKEK.Keep == kmsplugin.KeepSystemd {
		if parts.Keep, parts.Machine, err = openStore(p.manager); err != nil {
			return err
		}
	} else if err := clearStore(p.manager); err != nil {
		p.log.Error("the local KEKs of an earlier configuration could not be removed from systemd's store; systemctl stop removes them", "cause", err.Error())
	}
	p.service = kmsplugin.NewService(c.Config, parts)
	return nil
}

func (p *plugin) openEntrance(ctx context.Context) (err error) {
	if p.listener, err = p.entrance.open(ctx); err != nil {
		return err
	}
	p.onClose(p.listener.Close)
	return nil
}

// connect prepares a Vault client for the key that writes, the first, and for
// each that only decrypts.
func (p *plugin) connect(metrics *kmsplugin.Metrics) ([]kmsplugin.Source, error) {
	uses, err := p.config.uses()
	if err != nil {
		return nil, err
	}
	var sources []kmsplugin.Source
	for _, use := range uses {
		name, c := use.Section, use.Config
		observer := metrics.Observer(name)
		v, err := vaultbackend.New(c, p.log.With("source", name), kmsplugin.SinceBoot, observer)
		if err != nil {
			return nil, fmt.Errorf("set up Vault client of %s: %w", name, err)
		}
		p.vaults = append(p.vaults, v)
		sources = append(sources, kmsplugin.Source{Name: name, Path: c.KeyPath(), Addresses: c.Addresses(), Backend: v, Observer: observer})
	}
	return sources, nil
}

// closeVaults closes the Vault clients at the same time: each may take a second
// to revoke its token.
func (p *plugin) closeVaults() error {
	var all sync.WaitGroup
	for _, v := range p.vaults {
		all.Go(v.Close)
	}
	all.Wait()
	return nil
}

// openStore returns systemd's file descriptor store for local KEKs, and the boot id.
// If the store is configured and does not work, the plugin must not start: otherwise
// the operator would not notice.
func openStore(manager *systemd.Manager) (kmsplugin.Keep, string, error) {
	slot, err := manager.Slot(slotName)
	if err != nil {
		return nil, "", fmt.Errorf("local-kek.keep: %w", err)
	}
	machine, err := kmsplugin.BootID()
	if err != nil {
		return nil, "", fmt.Errorf("local-kek.keep: %w", err)
	}
	return slot, machine, nil
}

// clearStore removes what an earlier configuration has saved.
func clearStore(manager *systemd.Manager) error {
	slot, err := manager.Slot(slotName)
	if err != nil {
		return nil //nolint:nilerr // without a store nothing is saved
	}
	return slot.Clear()
}
