package facts

import (
	"net"
	"net/url"
	"strings"
)

// Local reports whether an address, a URL, is reached from its own node only.
func Local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.HasPrefix(u.Scheme, "unix") || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
