package live

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// endpoint is one address of a cluster, taken apart.
type endpoint struct {
	url string // as etcd's client takes it
	// network and address are what a dialler wants.
	network, address string
	// name is what the server's certificate must be for.
	name   string
	secure bool
}

// parseEndpoint reads https://host:port, http://host:port, unix:///path and
// unixs:///path. Without a scheme it is https where any certificate is given, and
// else http on this host only.
// place says which of the endpoints it is: one that cannot be read is not
// shown, because it may hold a password.
func parseEndpoint(text, place string, certificates bool) (endpoint, error) {
	if text == "" {
		return endpoint{}, fmt.Errorf("etcd endpoint %s is empty: leave its comma out, or write https://host:port", place)
	}
	if !strings.Contains(text, "://") {
		scheme := "http://"
		switch {
		case certificates:
			scheme = "https://"
		case !onThisHost(text):
			// Values and passwords would cross the network in plaintext, unasked.
			return endpoint{}, fmt.Errorf("etcd endpoint %s: write https:// before it, or http:// if that etcd has no TLS", place)
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{}, fmt.Errorf("etcd endpoint %s is no URL: want https://host:port", place)
	}
	e := endpoint{secure: u.Scheme == "https" || u.Scheme == "unixs"}
	switch u.Scheme {
	case "http", "https":
		e.url, e.network, e.address, e.name = u.Scheme+"://"+u.Host, "tcp", u.Host, u.Hostname()
	case "unix", "unixs":
		// The last part of the path is the name that etcd's client wants in the
		// certificate.
		e.url, e.network, e.address, e.name = u.Scheme+"://"+u.Path, "unix", u.Path, path.Base(u.Path)
	default:
		return endpoint{}, fmt.Errorf("etcd endpoint %s: want https://host:port, http://host:port or unix:///path", u.Redacted())
	}
	switch {
	case u.User != nil:
		return endpoint{}, fmt.Errorf("etcd endpoint %s: a password in a URL is visible to every process; use the environment", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "" || e.network == "tcp" && u.Path != "" && u.Path != "/":
		return endpoint{}, fmt.Errorf("etcd endpoint %s: nothing may follow the port or the path", text)
	case e.network == "tcp" && (u.Port() == "" || u.Hostname() == ""):
		return endpoint{}, fmt.Errorf("etcd endpoint %s: want host and port", text)
	case e.network == "tcp" && !port(u.Port()):
		return endpoint{}, fmt.Errorf("etcd endpoint %s: the port must be a number from 1 to 65535", text)
	case e.network == "unix" && (u.Host != "" || strings.TrimRight(u.Path, "/") == ""):
		return endpoint{}, fmt.Errorf("etcd endpoint %s: want the socket's full path, unix:///path", text)
	case !e.secure && certificates:
		// The etcd client would drop the certificates without a word.
		return endpoint{}, fmt.Errorf("etcd endpoint %s: certificates are given but %s does not use them; write %ss", text, u.Scheme, u.Scheme)
	}
	return e, nil
}

func port(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// onThisHost reports whether host:port is on this host. It returns true for text that
// is no host:port, which parseEndpoint refuses with a reason of its own.
func onThisHost(text string) bool {
	host, _, err := net.SplitHostPort(text)
	if err != nil || host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
