package tls

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// soon is how long before its end a certificate is to be renewed.
const soon = 30 * 24 * time.Hour

func certificateValid() rule {
	return rule{
		ID: "EA-313", Title: "The served certificate is valid, and for this address", Severity: check.High,
		Why:   "API servers and members refuse a certificate that has ended or is for another name, and the control plane stops; clients that do not check it talk to whoever answers",
		Reads: "the chain that each address serves, its names, its times, and whether Go verifies it with the CA that was given",
		Needs: needs{speaksTLS, hasChain}, Run: one(judgeValid),
	}
}

// hasChain is not met where no certificate was seen.
func hasChain(a at) (check.Result, bool) {
	return check.Unevaluated("", "no certificate was seen: "+a.why("a TLS handshake", overTLS), ""), len(a.l.Served.Chain) > 0
}

func judgeValid(a at) check.Result {
	const renew = "issue the certificate anew (kubeadm certs renew etcd-server, and etcd-peer; RKE2 and k3s: certificate rotate, then restart): etcd reads it at the next handshake"
	leaf, now := a.l.Served.Chain[0], a.wire.Now
	evidence := a.chain()
	for _, c := range a.l.Served.Chain {
		switch {
		case now.After(c.NotAfter):
			return with(check.Failed("", fmt.Sprintf("%s has ended on %s", name(c.Subject), day(c.NotAfter)), renew), evidence...)
		case now.Before(c.NotBefore):
			return with(check.Failed("", fmt.Sprintf("%s is valid from %s only", name(c.Subject), day(c.NotBefore)), "check the clocks of this machine and of the issuer; "+renew), evidence...)
		}
	}
	host := hostOf(a.l.URL)
	if host != "" && leaf.VerifyHostname(host) != nil {
		return with(check.Failed("", fmt.Sprintf("it is not for %s, but for %s", host, alternatives(leaf)), "issue it with all addresses of the member (kubeadm: etcd.local.serverCertSANs and peerCertSANs)"), evidence...)
	}
	for _, c := range a.l.Served.Chain {
		if left := c.NotAfter.Sub(now); left < soon {
			return with(check.Warned("", fmt.Sprintf("%s ends on %s, in %s", name(c.Subject), day(c.NotAfter), count(int(left.Hours()/24), "day")), renew), evidence...)
		}
	}
	if why := a.unverified(); why != "" {
		if a.l.Purpose == facts.PeerPort && len(a.trusted()) == 0 {
			r := check.Unevaluated("", "the chain was not verified, because the CA of the peers is not known: "+why, "run etcdaudit all on the node of this etcd")
			r.Expected = true
			return with(r, evidence...)
		}
		if !a.l.Served.Verified && a.l.Served.ChainError == "" {
			return with(check.Unevaluated("", why, "give it: --cacert"), evidence...)
		}
		return with(check.Failed("", "the chain is not verified: "+why, "serve a certificate of the CA that clients trust, with its intermediates in the same file"), evidence...)
	}
	return with(check.Passed("", fmt.Sprintf("valid until %s, %s left, for %s", day(leaf.NotAfter), count(int(leaf.NotAfter.Sub(now).Hours()/24), "day"), alternatives(leaf))), evidence...)
}

// unverified is why the chain is not verified; empty if it is. Peers verify each other
// with a CA that may be another than the one that was given for clients.
func (a at) unverified() string {
	s := a.l.Served
	if s.Verified && s.ChainError == "" {
		return ""
	}
	if cas := a.trusted(); a.l.Purpose == facts.PeerPort && len(cas) > 0 {
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		for _, c := range cas {
			roots.AddCert(c)
		}
		for _, c := range s.Chain[1:] {
			intermediates.AddCert(c)
		}
		if _, err := s.Chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: a.wire.Now}); err != nil {
			return err.Error()
		}
		return ""
	}
	if s.ChainError != "" {
		return s.ChainError
	}
	return "the chain was not verified, because no CA was given"
}

// chain is the served chain as evidence.
func (a at) chain() (all []check.Evidence) {
	for i, c := range a.l.Served.Chain {
		what := "served certificate"
		if i > 0 {
			what = "served issuer"
		}
		seen := fmt.Sprintf("%s: %s, issued by %s, %s to %s, %s, signed with %s", what, name(c.Subject), name(c.Issuer), day(c.NotBefore), day(c.NotAfter), facts.KeyName(c), c.SignatureAlgorithm)
		all = append(all, check.Evidence{Source: a.l.URL, Seen: seen})
	}
	return all
}

// alternatives are the names that a certificate is for.
func alternatives(c *x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name (a common name does not count)"
	}
	return term.Printable(strings.Join(names, ", "))
}

// hostOf is the name in an address; empty for a socket, which has none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.HasPrefix(u.Scheme, "unix") {
		return ""
	}
	return u.Hostname()
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
