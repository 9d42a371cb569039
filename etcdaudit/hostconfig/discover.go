package hostconfig

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Discovered is what a host tells of the etcds that its control plane uses, here and on
// other nodes.
type Discovered struct {
	// Listeners are their addresses with what told of them; nothing else of a Listener is
	// set.
	Listeners []facts.Listener
	// Clients are files to connect with, the API server's first. They exist.
	Clients []Client
}

// Client is a client certificate on this host.
type Client struct {
	CA, Cert, Key string
	// Found is what names them.
	Found string
}

// Discover returns the addresses of etcds that the configuration of a host names, and the
// certificates with which a client on this host may connect.
func Discover(h *facts.Host) (d Discovered) {
	for _, a := range h.APIServers {
		for _, etcd := range a.Config.Etcds {
			found := "--etcd-servers of " + a.Name
			if etcd.Resource != "" {
				found = "--etcd-servers-overrides of " + a.Name + " for " + etcd.Resource
			}
			d.add(facts.ClientPort, "", found, etcd.Servers)
		}
		d.client(a.Files, a.Config.EtcdCA, a.Config.EtcdCert, a.Config.EtcdKey, "the --etcd-certfile of "+a.Name)
	}
	for _, e := range h.Etcds {
		d.etcd(e.Name, e.Config)
	}
	for _, e := range h.Etcds {
		// etcd's own certificate often is one of a client as well: its gateway needs that.
		c := e.Config.Client
		d.client(e.Files, c.TrustedCA, c.Cert, c.Key, "the --cert-file of "+e.Name)
	}
	return d
}

func (d *Discovered) etcd(name string, c etcdconfig.Effective) {
	member := ""
	for _, s := range c.Settings {
		if s.Name == "name" && s.Origin.Kind != etcdconfig.Default {
			member = s.Value
		}
	}
	for _, list := range []struct {
		purpose facts.Purpose
		flag    string
		urls    []string
	}{
		{facts.ClientPort, "--listen-client-urls", c.ListenClient}, {facts.ClientPort, "--advertise-client-urls", c.AdvertiseClient},
		{facts.PeerPort, "--listen-peer-urls", c.ListenPeer}, {facts.PeerPort, "--initial-advertise-peer-urls", c.AdvertisePeer},
		{facts.MetricsPort, "--listen-metrics-urls", c.ListenMetrics}, {facts.ClientPort, "--listen-client-http-urls", c.ListenClientHTTP},
	} {
		d.add(list.purpose, member, list.flag+" of "+name, list.urls)
	}
	for _, s := range c.Settings {
		if s.Name != "initial-cluster" || s.Origin.Kind == etcdconfig.Default {
			continue
		}
		for pair := range strings.SplitSeq(s.Value, ",") {
			if other, u, ok := strings.Cut(pair, "="); ok && other != member {
				d.add(facts.PeerPort, other, "--initial-cluster of "+name, []string{u})
			}
		}
	}
}

// add notes addresses. An address that is found twice is one listener.
func (d *Discovered) add(purpose facts.Purpose, member, found string, urls []string) {
	for _, text := range urls {
		reachable := loopbackFor(text)
		i := slices.IndexFunc(d.Listeners, func(l facts.Listener) bool { return l.URL == reachable && l.Purpose == purpose })
		if i < 0 {
			i = len(d.Listeners)
			d.Listeners = append(d.Listeners, facts.Listener{Purpose: purpose, URL: reachable})
		}
		l := &d.Listeners[i]
		if l.Member == "" {
			l.Member = member
		}
		if reachable != text {
			found += " (" + text + ")"
		}
		if !slices.Contains(l.Found, found) {
			l.Found = append(l.Found, found)
		}
	}
}

// loopbackFor returns the address to connect to where one listens on all addresses.
func loopbackFor(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	ip := net.ParseIP(u.Hostname())
	if ip == nil || !ip.IsUnspecified() {
		return text
	}
	host := "127.0.0.1"
	if ip.To4() == nil {
		host = "::1"
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// client notes a certificate with its key, if both are there and belong together.
func (d *Discovered) client(files map[string]facts.File, ca, cert, key, found string) {
	if c, k := files[cert], files[key]; c.Exists && k.Exists && c.ContentErr == "" && k.ContentErr == "" {
		d.Clients = append(d.Clients, Client{CA: files[ca].At, Cert: c.At, Key: k.At, Found: found})
	}
}
