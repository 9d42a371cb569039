package tlsprobe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe/enumerate"
)

// served collects what the handshakes of one listener show.
type served struct {
	seen bool
	f    facts.Served
	// leaf is the hash of the leaf in f.Chain, and name the server name that it was served
	// for. Others are in names.
	leaf, name string
	names      map[string]string
}

// note keeps the CAs that the server lists. It does so before a handshake is complete.
func (s *served) note(seen shake) {
	if seen.asked && len(s.f.AcceptableCAs) == 0 {
		s.f.AcceptableCAs = seen.acceptable
	}
}

// state keeps what a handshake has agreed on. own is whether the server name was that of the
// URL: what is served for it is what clients see, and is judged.
func (s *served) state(c tls.ConnectionState, name string, own bool) {
	s.seen = true
	if len(c.PeerCertificates) > 0 {
		s.certificate(c.PeerCertificates, name, own)
	}
	s.f.Versions = union(s.f.Versions, c.Version)
	if s.f.Suites == nil {
		s.f.Suites = map[uint16][]uint16{}
	}
	s.f.Suites[c.Version] = union(s.f.Suites[c.Version], c.CipherSuite)
	if c.CurveID != 0 {
		s.f.Groups = union(s.f.Groups, uint16(c.CurveID))
	}
}

func (s *served) certificate(chain []*x509.Certificate, name string, own bool) {
	sum := sha256.Sum256(chain[0].Raw)
	hash := hex.EncodeToString(sum[:])
	if s.leaf == hash {
		return
	}
	if s.names == nil {
		s.names = map[string]string{}
	}
	if s.leaf != "" && !own {
		s.names[name] = hash
		return
	}
	if s.leaf != "" {
		s.names[s.name] = s.leaf
	}
	s.leaf, s.name, s.f.Chain = hash, name, chain
}

// enumerated adds what was found by trying all.
func (s *served) enumerated(r enumerate.Result) {
	s.f.Enumerated = r.Complete
	s.f.NotOffered = append(s.f.NotOffered, r.NotOffered...)
	s.f.Versions = union(s.f.Versions, r.Versions...)
	s.f.Groups = union(s.f.Groups, r.Groups...)
	for v, suites := range r.Suites {
		if s.f.Suites == nil {
			s.f.Suites = map[uint16][]uint16{}
		}
		s.f.Suites[v] = union(s.f.Suites[v], suites...)
	}
	s.seen = s.seen || len(r.Versions) > 0
}

// facts returns what was seen, nil if no handshake got as far as a certificate.
func (s *served) facts(ca *x509.CertPool, host string, now time.Time) *facts.Served {
	if !s.seen {
		return nil
	}
	f := s.f
	f.OtherNames = s.names
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
