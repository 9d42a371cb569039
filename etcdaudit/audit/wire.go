package audit

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// addWire puts into a report what connections have shown. Texts of the other side are made
// printable.
func addWire(r *auditv1.Report, w *facts.Wire) {
	purposes, connections := map[facts.Purpose]int{}, 0
	scope := &auditv1.Scope{Id: "wire", Layer: "wire", LayerName: "TLS and access", Time: timestamppb.New(w.Now)}
	for _, l := range w.Listeners {
		purposes[l.Purpose]++
		connections += len(l.Exchanges)
		scope.Sources = append(scope.Sources, &auditv1.Source{Name: l.URL})
		r.Listeners = append(r.Listeners, listener(l))
	}
	var counts []string
	for _, p := range []facts.Purpose{facts.ClientPort, facts.PeerPort, facts.MetricsPort} {
		counts = append(counts, fmt.Sprintf("%d %s", purposes[p], p))
	}
	how := ""
	if w.Passive {
		how = ", only what a normal client sends"
	}
	scope.Text = fmt.Sprintf("TLS and access: %s addresses of etcd, %d connections%s", strings.Join(counts, ", "), connections, how)
	r.Scopes = append(r.Scopes, scope)
	for _, m := range w.Missing {
		r.NotEvaluated = append(r.NotEvaluated, missing(m))
	}
}

// missing lists what could not be found or read: it is no layer of data.
func missing(m facts.Missing) *auditv1.Layer {
	reason := m.Why
	if m.Do != "" {
		reason += ": " + m.Do
	}
	return &auditv1.Layer{Id: outcome.NotFound, Name: term.Printable(m.What), Status: auditv1.Status_STATUS_NOT_EVALUATED, Reason: term.Printable(reason)}
}

func listener(l facts.Listener) *auditv1.Listener {
	out := &auditv1.Listener{
		Purpose: string(l.Purpose), Url: l.URL, Member: term.Printable(l.Member), Found: l.Found, Behind: l.Behind,
		Version: term.Printable(l.Version), Unreachable: term.Printable(l.Unreachable),
	}
	for _, m := range l.Skipped {
		out.Skipped = append(out.Skipped, term.Printable(m.What+": "+m.Why))
	}
	for _, e := range l.Exchanges {
		out.Connections = append(out.Connections, &auditv1.Connection{
			Local: e.Local, Time: timestamppb.New(e.At), Tls: e.TLS, Request: strings.TrimSpace(string(e.Request) + " " + e.Prefix), Identity: e.Identity,
			CertificateAsked: e.Asked, CertificateSent: e.Sent, ServerName: e.ServerName, Outcome: e.Outcome.String(), Said: term.Printable(e.Said),
		})
	}
	if s := l.Served; s != nil {
		served := map[uint16]bool{}
		for _, v := range s.Versions {
			out.TlsVersions = append(out.TlsVersions, tls.VersionName(v))
			for _, suite := range s.Suites[v] {
				served[suite] = true
			}
		}
		out.CipherSuites = suites.Names(slices.Sorted(maps.Keys(served)))
		for _, g := range s.Groups {
			out.Groups = append(out.Groups, suites.Group(g))
		}
		out.Enumerated = s.Enumerated
		for _, c := range s.Chain {
			out.Chain = append(out.Chain, facts.CertificateHash(c))
		}
	}
	return out
}

// certificates lists every certificate once, in the order of their hashes.
func certificates(f facts.Facts) (all []*auditv1.Certificate) {
	seen := map[string]*auditv1.Certificate{}
	add := func(c *x509.Certificate) *auditv1.Certificate {
		hash := facts.CertificateHash(c)
		if seen[hash] == nil {
			seen[hash] = certificate(hash, c)
		}
		return seen[hash]
	}
	if f.Wire != nil {
		for _, l := range f.Wire.Listeners {
			if l.Served != nil {
				for _, c := range l.Served.Chain {
					c := add(c)
					c.ServedAt = append(c.ServedAt, l.URL)
				}
			}
		}
	}
	if f.Host != nil {
		for _, found := range f.Host.Certificates {
			c := add(found.Certificate)
			c.OnDisk, c.HasKey = append(c.OnDisk, term.Printable(found.File)), c.HasKey || found.HasKey
		}
		for _, e := range f.Host.Etcds {
			for _, path := range []string{e.Config.Client.TrustedCA, e.Config.Peer.TrustedCA} {
				for _, trusted := range e.Files[path].Certificates {
					if c, file := add(trusted), term.Printable(path); !slices.Contains(c.TrustedIn, file) {
						c.TrustedIn = append(c.TrustedIn, file)
					}
				}
			}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(seen)) {
		c := seen[hash]
		slices.Sort(c.ServedAt)
		slices.Sort(c.OnDisk)
		c.OnDisk = slices.Compact(c.OnDisk)
		all = append(all, c)
	}
	return all
}

func certificate(hash string, c *x509.Certificate) *auditv1.Certificate {
	out := &auditv1.Certificate{
		Fingerprint: hash, Subject: term.Printable(c.Subject.String()), Issuer: term.Printable(c.Issuer.String()), Serial: c.SerialNumber.Text(16),
		NotBefore: timestamppb.New(c.NotBefore), NotAfter: timestamppb.New(c.NotAfter),
		Authority: c.IsCA, PublicKey: facts.KeyName(c), SignatureAlgorithm: c.SignatureAlgorithm.String(), ExtendedKeyUsages: facts.UsageNames(c),
	}
	for _, name := range c.DNSNames {
		out.Names = append(out.Names, term.Printable(name))
	}
	for _, ip := range c.IPAddresses {
		out.Names = append(out.Names, ip.String())
	}
	return out
}
