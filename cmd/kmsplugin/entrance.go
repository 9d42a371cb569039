package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sealproof/sealproof/kmsplugin"
	"github.com/sealproof/sealproof/kmsplugin/socket"
	"github.com/sealproof/sealproof/kmsplugin/systemd"
)

const (
	// socketName is what FileDescriptorName= calls the socket, where a unit hands
	// over several.
	socketName = "kms"
	// queueTimeout is how long callers wait in the queue of an inherited socket while
	// this plugin cannot serve yet. It is less than the API server's timeout, so that
	// the API server gets the reason.
	queueTimeout = 2 * time.Second
	// serveInterval is how often to check whether this plugin can serve yet, and
	// inUseInterval whether the plugin that it is to replace still does.
	serveInterval = 10 * time.Millisecond
	inUseInterval = time.Second
	// watchInterval is how often to check that callers still find the socket. It is
	// shorter than the time after which an API server connects again.
	watchInterval = 250 * time.Millisecond
)

// entrance is the socket, and when to open it.
type entrance struct {
	config socket.Config
	host   socket.Host
	// replaces is set if there are callers already: of another plugin, or in the queue
	// of an inherited socket. They must not get "not ready" only because this plugin
	// has just started.
	replaces bool
	log      *slog.Logger
}

func newEntrance(ctx context.Context, c socket.Config, manager *systemd.Manager, metrics *kmsplugin.Metrics, log *slog.Logger) (entrance, error) {
	inherited, err := manager.Listener(socketName)
	if err != nil {
		return entrance{}, fmt.Errorf("socket: %w", err)
	}
	return entrance{
		config:   c,
		host:     socket.Host{Inherited: inherited, Refused: metrics.PeerRefused, State: metrics.SocketState, Log: log},
		replaces: inherited != nil || c.Takeover && c.InUse(ctx),
		log:      log,
	}, nil
}

// wait returns when the entrance may be opened: after queueTimeout at most if callers
// queue in an inherited socket. Otherwise a plugin that serves is replaced only once
// this one can serve, however long that takes.
func (e entrance) wait(ctx context.Context, ready func(context.Context) error) {
	look := time.NewTicker(serveInterval)
	defer look.Stop()
	check := time.NewTicker(inUseInterval)
	defer check.Stop()
	timeout := time.NewTimer(queueTimeout)
	defer timeout.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		case <-timeout.C:
			if e.host.Inherited != nil {
				return
			}
			e.log.Warn("the running plugin is not replaced before this one can serve", "cause", err.Error())
		case <-check.C:
			if e.host.Inherited == nil && !e.config.InUse(ctx) {
				return
			}
		}
	}
}

func (e entrance) open(ctx context.Context) (*socket.Listener, error) {
	return socket.Listen(ctx, e.config, e.host)
}

// watchSocket checks that callers find the listener until the context ends.
func watchSocket(ctx context.Context, l *socket.Listener) {
	look := time.NewTicker(watchInterval)
	defer look.Stop()
	l.Watch(ctx, look.C)
}
