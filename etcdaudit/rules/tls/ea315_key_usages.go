package tls

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func keyUsages() rule {
	return rule{
		ID: "EA-315", Title: "The extended key usages of the served chain fit", Severity: check.Medium,
		Why:   "members are client and server in one; with a usage missing they refuse each other, or etcd's own JSON gateway is refused by etcd, often first noticed when a certificate is renewed",
		Reads: "the extended key usages of the served certificate and of its issuers, which limit it",
		Needs: needs{speaksTLS, hasChain}, Run: one(judgeUsages),
	}
}

func judgeUsages(a at) check.Result {
	const todo = "issue it with the usages server auth and client auth, from a CA that is not limited to others"
	// The issuer may be known from etcd's CA file only.
	chain := slices.Clone(a.l.Served.Chain)
	for _, ca := range a.trusted() {
		if last := chain[len(chain)-1]; last.CheckSignatureFrom(ca) == nil && !last.Equal(ca) {
			chain = append(chain, ca)
			break
		}
	}
	if at := lacks(chain, x509.ExtKeyUsageServerAuth); at != nil {
		return with(check.Failed("", name(at.Subject)+" does not allow server auth: Go's clients refuse the chain", todo), a.chain()...)
	}
	if at := lacks(chain, x509.ExtKeyUsageClientAuth); at != nil {
		if a.try("none").admission == letIn {
			return with(check.Passed("", "server auth; client auth is not needed where no certificate is demanded"), a.chain()...)
		}
		if a.l.Purpose == facts.PeerPort {
			return with(check.Failed("", name(at.Subject)+" does not allow client auth, which a member needs to connect to the others", todo), a.chain()...)
		}
		if a.etcd != nil && a.etcd.Config.Client.ClientCert != "" {
			return with(check.Passed("", "server auth; etcd connects to itself with another certificate (--client-cert-file)"), a.chain()...)
		}
		return with(check.Warned("", name(at.Subject)+" does not allow client auth, which etcd's JSON gateway needs to connect to etcd itself", todo+", or give etcd --client-cert-file and --client-key-file"), a.chain()...)
	}
	return with(check.Passed("", fmt.Sprintf("server auth and client auth, in %s", count(len(chain), "certificate"))), a.chain()...)
}

// lacks returns the first certificate of a chain that does not allow a usage. As in Go,
// the usages of an issuer limit what it signs, and none at all is no limit.
func lacks(chain []*x509.Certificate, usage x509.ExtKeyUsage) *x509.Certificate {
	for _, c := range chain {
		if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, usage) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return c
		}
	}
	return nil
}
