package tls

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func onlyIntended() rule {
	return rule{
		ID: "EA-304", Title: "Only certificates that are meant for etcd are accepted", Severity: check.High,
		Why:   "a kubelet's, an expired or a revoked certificate that etcd accepts is the rights of cluster-admin for whoever holds its key",
		Reads: "the answers of each client address to the certificates given with --probe-cert",
		Needs: needs{speaksTLS, demandsAny}, Run: judgeIntended,
	}
}

func judgeIntended(a at) (results []check.Result) {
	for _, id := range a.wire.Identities {
		if id.Kind != facts.Given || id.Intended() {
			continue
		}
		t, target := a.try(id.Label), id.Label
		var r check.Result
		switch t.admission {
		case letIn:
			r = check.Failed(target, fmt.Sprintf("the certificate of %s is accepted%s", id.Label, describe(id)), "give etcd a CA of its own, whose certificates only API servers and etcd's members have (EA-306); against a single certificate: a revocation list (--client-crl-file), or a new CA")
		case refused:
			r = check.Passed(target, fmt.Sprintf("the certificate of %s is refused%s: %s", id.Label, describe(id), a.because(t)))
		default:
			r = check.Unevaluated(target, t.reason, t.do)
		}
		r.Identity = []string{id.Label}
		results = append(results, with(r, t.seen...))
	}
	if results == nil {
		r := check.Unevaluated("", "no certificate was given that etcd should refuse", "give those that are at hand: --probe-cert kubelet=CERT,KEY (repeatable; also expired=, revoked=, other=)")
		r.Expected = true
		return []check.Result{r}
	}
	return results
}

// describe is whose certificate an identity sends.
func describe(id facts.Identity) string {
	if len(id.Chain) == 0 {
		return ""
	}
	leaf := id.Chain[0]
	return fmt.Sprintf(" (%s, issued by %s, until %s)", name(leaf.Subject), name(leaf.Issuer), leaf.NotAfter.UTC().Format("2006-01-02"))
}

// because is why a client was refused. "Bad certificate" and an end without an alert have more
// than one reason, and only etcd's configuration tells them apart.
func (a at) because(t trial) string {
	switch {
	case t.Outcome == facts.Closed:
		return "the connection ended after the handshake: " + a.endedBy()
	case t.Said == badCertificate:
		return t.Said + ": " + a.badBy()
	}
	return t.Said
}

const badCertificate = "alert: bad certificate"

// badBy says why a certificate of a trusted CA is a bad one (TLSInfo.baseConfig and ServerConfig
// in etcd, client/pkg/transport/listener.go).
func (a at) badBy() string {
	if a.etcd == nil {
		return "its name is not allowed, it is revoked, or it is for another usage"
	}
	config := a.section()
	var could []string
	if len(config.AllowedCNs)+len(config.AllowedHostnames) > 0 {
		could = append(could, "its name is not allowed")
	}
	if config.CRL != "" {
		could = append(could, "it is in the revocation list "+config.CRL)
	}
	if len(could) == 0 {
		return "it is for another usage, or broken"
	}
	return strings.Join(could, ", or ")
}

// endedBy says why etcd ends a connection after the handshake (listener_tls.go, checkCRL and
// checkCertSAN).
func (a at) endedBy() string {
	if a.etcd == nil {
		if a.l.Purpose == facts.PeerPort {
			return "it is not for the address that it comes from, it is revoked, or the revocation list cannot be read"
		}
		return "it is revoked, or the revocation list cannot be read"
	}
	config := a.section()
	var could []string
	if a.l.Purpose == facts.PeerPort && !config.SkipClientSANVerify {
		could = append(could, "it is not for the address that it comes from")
	}
	if config.CRL != "" {
		// An unreadable list would have refused the control as well.
		could = append(could, "it is in the revocation list "+config.CRL)
	}
	if len(could) == 0 {
		return "for a reason that the configuration of etcd does not show"
	}
	return strings.Join(could, ", or ")
}
