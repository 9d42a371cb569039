package tlsprobe

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// endpoint is what a dialler wants.
type endpoint struct{ network, dial string }

// address is a URL taken apart.
type address struct {
	// url is the address as reports show it; assumed is whether its scheme was not given.
	url     string
	assumed bool
	endpoint
	// host is what the server's certificate must be for, empty for a socket.
	host string
	// name is what a client of that URL sends as server name; IP addresses are not sent
	// (RFC 6066, section 3).
	name   string
	secure bool
}

func parseAddress(text string) (address, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		// The text may hold a password.
		return address{}, fmt.Errorf("an address of etcd is no URL: want https://host:port")
	}
	if u.User != nil {
		return address{}, fmt.Errorf("address %s: a URL of etcd has no user and no password", u.Redacted())
	}
	a := address{secure: u.Scheme == "https" || u.Scheme == "unixs", assumed: full != text}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" || u.Port() == "" {
			return address{}, fmt.Errorf("address %s: want host and port", u.Redacted())
		}
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return address{}, fmt.Errorf("address %s: the port must be a number from 1 to 65535", u.Redacted())
		}
		a.network, a.host = "tcp", strings.ToLower(u.Hostname())
		if ip, err := netip.ParseAddr(a.host); err == nil {
			a.host = ip.String()
		} else {
			a.name = a.host
		}
		a.dial = net.JoinHostPort(a.host, u.Port())
		a.url = (&url.URL{Scheme: u.Scheme, Host: a.dial}).String()
	case "unix", "unixs":
		// etcd also takes unix://name, a path relative to its working directory
		// (embed.resolveURL joins host and path).
		a.network, a.dial, a.url = "unix", u.Host+u.Path, u.String()
		if a.dial == "" {
			return address{}, fmt.Errorf("address %s: want the socket's path", u.Redacted())
		}
	default:
		return address{}, fmt.Errorf("address %s: want https://host:port, http://host:port, unix:///path or unixs:///path", u.Redacted())
	}
	return a, nil
}

// authority is what HTTP requests name as their host.
func (a address) authority() string {
	if a.network == "unix" {
		return "localhost"
	}
	return a.dial
}
