package tls

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func servedDiskTrusted() rule {
	return rule{
		ID: "EA-318", Title: "What is served, what is trusted and what is on disk agree", Severity: check.Medium,
		Why:   "etcd reads its certificate and key at each handshake, and the CA only when it starts: a CA that was replaced on disk is not trusted, and one that was removed still is",
		Reads: "the served certificate and the certificates that were let in or refused, beside the files of the configuration and their times",
		Needs: needs{speaksTLS, hasChain}, Run: one(judgeAgree),
	}
}

func judgeAgree(a at) check.Result {
	if a.etcd == nil {
		r := check.Unevaluated("", "no node was read on which exactly one etcd has this address", "run etcdaudit all on the node of this etcd")
		r.Expected = true
		return r
	}
	section := a.section()
	cert, ca := a.etcd.Files[section.Cert], a.etcd.Files[section.TrustedCA]
	evidence := append(a.chain(), fileSeen(section.Cert, cert), fileSeen(section.TrustedCA, ca))
	if section.Cert == "" {
		return with(a.judgeUnconfigured(), a.chain()...)
	}
	if len(cert.Certificates) == 0 {
		return with(check.Unevaluated("", fmt.Sprintf("the certificate file %q could not be read: %s", section.Cert, cmp.Or(cert.Err, cert.ContentErr, "it holds no certificate")), "run etcdaudit as root"), evidence...)
	}
	if served := a.l.Served.Chain[0]; !served.Equal(cert.Certificates[0]) {
		return with(check.Warned("", fmt.Sprintf("served is a certificate of %s until %s, and in %s is one until %s", name(served.Subject), day(served.NotAfter), section.Cert, day(cert.Certificates[0].NotAfter)),
			"find out what serves the other one: a proxy in front of etcd, another etcd at this address, or a certificate and key that do not belong together"), evidence...)
	}
	if section.TrustedCA == "" {
		return with(check.Passed("", "what is served is what is on disk; no CA is configured"), evidence...)
	}
	if len(ca.Certificates) == 0 {
		return with(check.Unevaluated("", fmt.Sprintf("what is served is what is on disk; the file of the trusted CA %q could not be read: %s", section.TrustedCA, cmp.Or(ca.Err, ca.ContentErr, "it holds no certificate")), "run etcdaudit as root"), evidence...)
	}
	const restart = "restart etcd, member by member, so that it trusts what is on disk; first make sure that every client's certificate is of a CA there"
	known, contradiction, more := a.trustShown(ca.Certificates)
	evidence = append(evidence, more...)
	if contradiction != "" {
		return with(check.Failed("", contradiction, restart), evidence...)
	}
	p := a.etcd.Process
	if p == nil || p.Started.IsZero() {
		return with(check.Unevaluated("", "what is served is what is on disk; since when etcd runs is not known, and so whether it trusts this CA file", "run etcdaudit as root on the node"), evidence...)
	}
	evidence = append(evidence, check.Evidence{Source: fmt.Sprintf("process %d", p.PID), Seen: "started " + p.Started.UTC().Format(time.RFC3339)})
	if a.host.Live && ca.WrittenAfter(p.Started) { // a copy has times of its own
		return with(check.Warned("", fmt.Sprintf("%s was changed on %s, after etcd started: what etcd trusts is what was there before", section.TrustedCA, ca.Written().UTC().Format(time.RFC3339)), restart), evidence...)
	}
	return with(check.Passed("", "what is served is what is on disk; that the CA on disk is trusted is known "+known), evidence...)
}

// judgeUnconfigured is for an etcd whose configuration names no certificate.
func (a at) judgeUnconfigured() check.Result {
	if a.selfMade() {
		return check.Inapplicable("no certificate file is configured: etcd has made the certificate itself (EA-316)")
	}
	return check.Unevaluated("", "no certificate file is configured for this address, and TLS is spoken here", "find out what ends TLS in front of this etcd, or whether etcd was started with other settings")
}

// section is what etcd's configuration says of an address.
func (a at) section() etcdconfig.TLS {
	if a.l.Purpose == facts.PeerPort {
		return a.etcd.Config.Peer
	}
	return a.etcd.Config.Client
}

// unknownCA is the one alert that is about the CA (crypto/tls): a name that is not allowed, or a
// wrong usage, is a "bad certificate".
const unknownCA = "alert: unknown certificate authority"

// trustShown compares the certificates that were let in with the CAs on disk. Only they
// show what a running process trusts; names and times of files do not.
func (a at) trustShown(cas []*x509.Certificate) (how, contradiction string, evidence []check.Evidence) {
	how = "by name and file times only"
	for _, id := range a.wire.Identities {
		if len(id.Chain) == 0 {
			continue
		}
		switch t, ofDisk := a.try(id.Label), trusts(cas, id.Chain, a.wire.Now); {
		case t.admission == letIn && !ofDisk:
			return "", fmt.Sprintf("the certificate of %s was let in, and is of no CA that is on disk now%s", id.Label, describe(id)), t.seen
		case t.admission == refused && ofDisk && t.Said == unknownCA:
			return "", fmt.Sprintf("the certificate of %s was refused (%s), although its CA is on disk now%s", id.Label, t.Said, describe(id)), t.seen
		case t.admission == letIn:
			how, evidence = fmt.Sprintf("by the certificate of %s, which was let in", id.Label), t.seen
		}
	}
	return how, "", evidence
}

func fileSeen(path string, f facts.File) check.Evidence {
	seen := "no certificate"
	if len(f.Certificates) > 0 {
		c := f.Certificates[0]
		seen = fmt.Sprintf("%s, until %s, %.23s…", name(c.Subject), day(c.NotAfter), facts.CertificateHash(c))
	}
	if t := f.Written(); !t.IsZero() {
		seen += ", changed " + t.UTC().Format(time.RFC3339)
	}
	return check.Evidence{Source: path, Seen: seen}
}
