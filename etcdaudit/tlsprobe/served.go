package tlsprobe

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe/enumerate"
)

// served collects what the handshakes of one listener show.
type served struct {
	seen bool
	f    facts.Served
	// own is whether the chain in f was served for the name in the URL.
	own bool
}

// note keeps what a handshake has shown, complete or not. own is whether the server name was
// that of the URL: what is served for it is what clients see, and is judged.
func (s *served) note(seen shake, own bool) {
	if seen.asked && len(s.f.AcceptableCAs) == 0 {
		s.f.AcceptableCAs = seen.acceptable
	}
	c := seen.state
	if c == nil {
		return
	}
	s.seen = true
	if len(s.f.Chain) == 0 || own && !s.own {
		s.f.Chain, s.own = c.PeerCertificates, own
	}
	s.f.Versions = union(s.f.Versions, c.Version)
	s.suites(c.Version, c.CipherSuite)
	if c.CurveID != 0 {
		s.f.Groups = union(s.f.Groups, uint16(c.CurveID))
	}
}

func (s *served) suites(version uint16, more ...uint16) {
	if s.f.Suites == nil {
		s.f.Suites = map[uint16][]uint16{}
	}
	s.f.Suites[version] = union(s.f.Suites[version], more...)
}

// enumerated adds what was found by trying all.
func (s *served) enumerated(r enumerate.Result) {
	s.f.Enumerated = r.Complete
	s.f.NotOffered = append(s.f.NotOffered, r.NotOffered...)
	s.f.Versions = union(s.f.Versions, r.Versions...)
	s.f.Groups = union(s.f.Groups, r.Groups...)
	for v, suites := range r.Suites {
		s.suites(v, suites...)
	}
	s.seen = s.seen || len(r.Versions) > 0
}

// facts returns what was seen, nil if no handshake got as far as a certificate.
func (s *served) facts(ca *x509.CertPool, host string, now time.Time) *facts.Served {
	if !s.seen {
		return nil
	}
	f := s.f
	if ca != nil && len(f.Chain) > 0 {
		if err := verify(f.Chain, ca, host, now); err != nil {
			f.ChainError = short(err.Error())
		} else {
			f.Verified = true
		}
	}
	return &f
}

// verify is what a client of Go does with a chain.
func verify(chain []*x509.Certificate, ca *x509.CertPool, host string, now time.Time) error {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: ca, Intermediates: intermediates, DNSName: host, CurrentTime: now})
	return err
}

func union(list []uint16, more ...uint16) []uint16 {
	for _, n := range more {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}
