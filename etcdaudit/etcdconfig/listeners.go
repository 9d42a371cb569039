package etcdconfig

import (
	"crypto/tls"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/internal/safeurl"
)

// section is one of the two sets of TLS settings with the listeners that use it.
type section struct {
	TLS
	prefix string // of the flags' names
	// cn and hostname are the deprecated fields of one name.
	cn, hostname string
	// listeners are the names of the settings with the URLs.
	listeners []string
	// sockets is whether unixs:// speaks TLS.
	sockets bool
}

func (c *configuration) client() section {
	s := c.section("", "ClientTLSInfo.", "client-transport-security.allowed-cn", "client-cert-allowed-hostname")
	s.CRL = c.values["client-crl-file"].text()
	s.SkipClientSANVerify = c.values["client-transport-security.skip-client-san-verification"].isTrue() || c.values["ClientTLSInfo.SkipClientSANVerify"].isTrue()
	s.listeners, s.sockets = []string{"listen-client-urls", "listen-client-http-urls", "listen-metrics-urls"}, true
	return s
}

func (c *configuration) peer() section {
	s := c.section("peer-", "PeerTLSInfo.", "peer-cert-allowed-cn", "peer-cert-allowed-hostname")
	s.CRL = c.values["peer-crl-file"].text()
	s.SkipClientSANVerify = c.values["peer-skip-client-san-verification"].isTrue() ||
		c.release.Minor == 5 && c.values["experimental-peer-skip-client-san-verification"].isTrue()
	s.listeners = []string{"listen-peer-urls"}
	return s
}

func (c *configuration) section(prefix, field, cns, hostnames string) section {
	of := func(name string) *value { return c.values[prefix+name] }
	s := section{prefix: prefix, cn: c.values[field+"AllowedCN"].text(), hostname: c.values[field+"AllowedHostname"].text()}
	s.TLS = TLS{
		Cert: of("cert-file").text(), Key: of("key-file").text(),
		ClientCert: of("client-cert-file").text(), ClientKey: of("client-key-file").text(),
		TrustedCA: of("trusted-ca-file").text(), ClientCertAuth: of("client-cert-auth").isTrue(), AutoTLS: of("auto-tls").isTrue(),
		AllowedCNs: slices.Clone(c.values[cns].items), AllowedHostnames: slices.Clone(c.values[hostnames].items),
	}
	if s.cn != "" && len(s.AllowedCNs) == 0 {
		s.AllowedCNs = []string{s.cn}
	}
	if s.hostname != "" && len(s.AllowedHostnames) == 0 {
		s.AllowedHostnames = []string{s.hostname}
	}
	return s
}

// secure returns the section's addresses that speak TLS.
func (c *configuration) secure(s section) []string {
	var all []string
	for _, name := range s.listeners {
		for _, item := range c.values[name].items {
			// A metrics socket is never wrapped (transport.NewListenerWithOpts).
			if strings.HasPrefix(item, "https://") || strings.HasPrefix(item, "unixs://") && s.sockets && name != "listen-metrics-urls" {
				all = append(all, item)
			}
		}
	}
	return all
}

// listeners refuses what ends a server when it opens its addresses, for reasons in the
// configuration alone.
func (c *configuration) listeners() {
	if c.release.Minor == 5 && c.values["proxy"].text() != "off" {
		return // a proxy of the v2 API, which is no server
	}
	for _, name := range []string{"listen-peer-urls", "listen-client-urls"} {
		if len(c.values[name].items) == 0 {
			c.refuse("%s is empty", name)
		}
	}
	c.refuseCleared()
	c.suites("ClientTLSInfo.CipherSuites")
	c.suites("PeerTLSInfo.CipherSuites")
	c.suitesOfHTTP2()
	for _, s := range []section{c.peer(), c.client()} {
		c.certificates(s)
	}
	for _, item := range c.values["listen-metrics-urls"].items {
		if cl := c.client(); strings.HasPrefix(item, "unixs://") && cl.Cert == "" && cl.Key == "" && !cl.AutoTLS {
			c.refuse("%s wants cert-file and key-file", safeurl.WithoutUserinfo(item))
		}
	}
	taken := map[string]bool{}
	for _, item := range c.values["listen-client-urls"].items {
		taken[address(item)] = true
	}
	for _, item := range c.values["listen-client-http-urls"].items {
		if taken[address(item)] {
			c.refuse("listen-client-urls and listen-client-http-urls have the same address %s", safeurl.WithoutUserinfo(item))
		}
	}
	c.compaction()
	if v := c.values["max-learners"]; v != nil && v.number() < 0 {
		c.refuse("max-learners must not be negative")
	}
}

func address(item string) string {
	u, err := url.Parse(item)
	if err != nil {
		return item
	}
	if u.Scheme == "unix" || u.Scheme == "unixs" {
		return u.Host + u.Path
	}
	return u.Host
}

func (c *configuration) suites(field string) {
	given := c.values["cipher-suites"].items
	known := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	for _, name := range given {
		isKnown := slices.ContainsFunc(known, func(s *tls.CipherSuite) bool { return s.Name == name })
		// Two old names that etcd takes as well (client/pkg/tlsutil/cipher_suites.go).
		if !isKnown && name != "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" && name != "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" {
			c.refuse("cipher-suites: there is no suite %q", name)
		}
	}
	if len(given) > 0 && c.values[field].text() != "" {
		c.refuse("cipher-suites and %s are both given", field)
	}
}

// suitesOfHTTP2 follows net/http, which ends a server that lacks the suites that HTTP/2
// requires. etcd serves HTTP on the addresses of clients that are for HTTP only, if there
// are any; with those, its other addresses are served by gRPC, which does not look.
func (c *configuration) suitesOfHTTP2() {
	given := c.values["cipher-suites"].items
	addresses := c.values["listen-client-http-urls"].items
	if len(addresses) == 0 {
		addresses = c.values["listen-client-urls"].items
	}
	for _, item := range addresses {
		secure := strings.HasPrefix(item, "https://") || strings.HasPrefix(item, "unixs://")
		if len(given) > 0 && secure && !slices.Contains(given, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256") &&
			!slices.Contains(given, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256") {
			c.refuse("cipher-suites has neither TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 nor TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, of which HTTP/2 wants one")
		}
	}
}

// certificates follows TLSInfo.baseConfig, which is used where TLS is spoken and, with
// files, for calls to other members.
func (c *configuration) certificates(s section) {
	secure := c.secure(s)
	none := s.Cert == "" && s.Key == ""
	if none && s.AutoTLS {
		if c.values["self-signed-cert-validity"].text() == "0" {
			c.refuse("self-signed-cert-validity must not be 0 with %sauto-tls", s.prefix)
		}
		return
	}
	if none && len(secure) > 0 {
		c.refuse("%s wants %scert-file and %skey-file", safeurl.WithoutUserinfo(secure[0]), s.prefix, s.prefix)
		return
	}
	if none || len(secure) == 0 && s.prefix == "" {
		return
	}
	if s.Cert == "" || s.Key == "" {
		c.refuse("%scert-file and %skey-file go together", s.prefix, s.prefix)
	}
	if (s.ClientCert == "") != (s.ClientKey == "") {
		c.refuse("%sclient-cert-file and %sclient-key-file go together", s.prefix, s.prefix)
	}
	if len(s.AllowedCNs) > 0 && len(s.AllowedHostnames) > 0 {
		c.refuse("names and host names are both demanded of clients (%sallowed-cn, %sallowed-hostname): etcd accepts one of them only", s.prefix, s.prefix)
	}
}

// compaction follows parseCompactionRetention, and v3compactor.New, which is called with
// what is not 0.
func (c *configuration) compaction() {
	mode, given := c.values["auto-compaction-mode"].text(), c.values["auto-compaction-retention"].text()
	if n, err := strconv.Atoi(given); given == "" || err == nil && n >= 0 {
		return // of an empty mode, a plain number is 0
	}
	d, err := time.ParseDuration(given)
	switch {
	case err != nil:
		c.refuse("auto-compaction-retention takes a number or a duration")
	case mode == "" && d != 0:
		c.refuse("auto-compaction-retention is a duration, and auto-compaction-mode is empty")
	}
}

// unusedTLS notes settings of a section that no listener uses.
func (c *configuration) unusedTLS(s section) {
	made := s.Cert == "" && s.Key == ""
	var why string
	names := []string{"trusted-ca-file", "client-cert-auth", "crl-file", "cert-allowed-cn", "cert-allowed-hostname"}
	switch {
	case len(c.secure(s)) == 0:
		why = "no " + strings.Join(s.listeners, " or ") + " begins with https://, and http:// ignores all TLS settings"
		names = append(names, "cert-file", "key-file", "auto-tls")
	case s.AutoTLS && made:
		why = s.prefix + "auto-tls replaces all TLS settings of the section, and asks clients for no certificate"
	case s.AutoTLS:
		why = s.prefix + "cert-file is given, and etcd then makes no certificate of its own"
		names = []string{"auto-tls"}
	case s.TrustedCA != "" && !s.ClientCertAuth:
		why = s.prefix + "trusted-ca-file alone makes etcd demand certificates"
		names = []string{"client-cert-auth"}
	default:
		return
	}
	for _, name := range names {
		v := c.values[s.prefix+name]
		full := s.prefix + name
		if s.prefix == "" && (name == "crl-file" || strings.HasPrefix(name, "cert-allowed")) {
			full = "client-" + name
			v = c.values[full]
		}
		if v != nil && v.set && v.text() != "" {
			c.void(full, v.text(), v.origin, why)
		}
	}
}
