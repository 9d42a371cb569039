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
	// queueTime is how long callers are left in the queue of an inherited
	// socket while this plugin cannot serve yet: less than the API server waits,
	// so that it still hears our reason.
	queueTime = 2 * time.Second
	// serveLook is how often to see whether this plugin can serve by now, and
	// inUseLook whether the one that it is to replace still does.
	serveLook = 10 * time.Millisecond
	inUseLook = time.Second
	// guardLook is how often to see whether callers still find the socket: sooner
	// than an API server that does not tries again.
	guardLook = 250 * time.Millisecond
)

// entrance is the socket, and when to open it.
type entrance struct {
	config socket.Config
	host   socket.Host
	// replaces is set if there are callers already: of another plugin, or in the
	// queue of an inherited socket. They must not meet one that has to say "not
	// ready" because it has only just started.
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

// wait returns when the entrance may be opened. For callers in a queue that is
// soon in any case. A plugin that serves is replaced only by one that can, however
// long that takes.
func (e entrance) wait(ctx context.Context, ready func(context.Context) error) {
	look := time.NewTicker(serveLook)
	defer look.Stop()
	check := time.NewTicker(inUseLook)
	defer check.Stop()
	patience := time.NewTimer(queueTime)
	defer patience.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		case <-patience.C:
			if e.host.Inherited != nil {
				return
			}
			e.log.Warn("the other plugin is not replaced before this one can serve", "cause", err.Error())
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

// guard has callers find the listener until the context ends.
func guard(ctx context.Context, l *socket.Listener) {
	look := time.NewTicker(guardLook)
	defer look.Stop()
	l.Guard(ctx, look.C)
}
