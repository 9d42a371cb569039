package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A Proxy stands between a client and one server at a time, and spoils the
// network between them: toxiproxy, inside this process. It passes bytes on and
// ends no TLS. Its methods are safe for concurrent use.
type Proxy struct {
	// URL is the https address for clients of it.
	URL string

	mu    sync.Mutex
	proxy *toxiproxy.Proxy
}

// StartProxy starts a proxy to the server at an https URL. It ends with the
// cluster.
func (c *Cluster) StartProxy(upstream string) (*Proxy, error) {
	listen, err := c.nextPort()
	if err != nil {
		return nil, err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{URL: "https://" + listen, proxy: toxiproxy.NewProxy(server, c.claimName("proxy"), listen, hostPort(upstream))}
	if err := p.proxy.Start(); err != nil {
		return nil, fmt.Errorf("start a proxy to %s: %w", upstream, err)
	}
	c.onClose(func() error { p.proxy.Stop(); return nil })
	return p, nil
}

func hostPort(url string) string { return strings.TrimPrefix(url, "https://") }

// Hang lets the server's answers vanish while connections stay open, as behind a
// machine or a firewall that died without a word.
func (p *Proxy) Hang() error { return p.add(`{"type": "timeout", "attributes": {"timeout": 0}}`) }

// Delay holds every piece of the server's answers back by d.
func (p *Proxy) Delay(d time.Duration) error {
	return p.add(fmt.Sprintf(`{"type": "latency", "attributes": {"latency": %d}}`, d.Milliseconds()))
}

func (p *Proxy) add(toxic string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("spoil the network with %s: %w", toxic, err)
	}
	return nil
}

// Cut closes every connection and refuses new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy.Stop()
}

// Route closes every connection and leads new ones to another server.
func (p *Proxy) Route(upstream string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restart(hostPort(upstream))
}

// Heal undoes what was done to the network. Connections may be closed by it.
func (p *Proxy) Heal(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy.Toxics.ResetToxics(ctx)
	if p.proxy.Enabled {
		return nil
	}
	return p.restart(p.proxy.Upstream)
}

func (p *Proxy) restart(upstream string) error {
	p.proxy.Stop()
	p.proxy.Upstream = upstream
	if err := p.proxy.Start(); err != nil {
		return fmt.Errorf("lead %s to %s: %w", p.URL, upstream, err)
	}
	return nil
}
