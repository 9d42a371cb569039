package tls

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// sameKey reports whether two lists of certificates have a key in common. Paths and names
// say nothing: one CA may lie at two paths, and two CAs may have one name.
func sameKey(a, b []*x509.Certificate) (*x509.Certificate, bool) {
	for _, c := range a {
		if slices.ContainsFunc(b, func(other *x509.Certificate) bool {
			return bytes.Equal(c.RawSubjectPublicKeyInfo, other.RawSubjectPublicKeyInfo)
		}) {
			return c, true
		}
	}
	return nil, false
}

// trusts reports whether a server of Go with these CAs accepts a client with this chain,
// the leaf first. Like the server it takes intermediates from the chain only.
func trusts(cas, chain []*x509.Certificate, now time.Time) bool {
	if len(chain) == 0 {
		return false
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range cas {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// holder is a client certificate on the host, with the file that it is in.
type holder struct {
	facts.Certificate
	chain []*x509.Certificate
}

// holders returns the certificates of the host that a server with these CAs accepts from
// a client, in the order of their files.
func holders(h *facts.Host, cas []*x509.Certificate) (all []holder) {
	if h == nil {
		return nil
	}
	for i, c := range h.Certificates {
		if c.IsCA {
			continue
		}
		// What a client sends after its own certificate is what its file holds.
		chain := []*x509.Certificate{c.Certificate}
		for j, other := range h.Certificates {
			if i != j && other.File == c.File {
				chain = append(chain, other.Certificate)
			}
		}
		if trusts(cas, chain, h.Now) {
			all = append(all, holder{c, chain})
		}
	}
	slices.SortStableFunc(all, func(a, b holder) int { return cmp.Compare(a.File, b.File) })
	return all
}

// objects lists certificates of the host.
func objects(all []holder) (list []check.Object) {
	for _, c := range all {
		key := "its key is not on this node"
		if c.HasKey {
			key = "its key is on this node"
		}
		list = append(list, check.Object{Resource: "certificate", Name: c.File, Detail: fmt.Sprintf("%s, issued by %s, %s", name(c.Subject), name(c.Issuer), key)})
	}
	return list
}

// name is a name of X.509 as text. It may come from the network.
func name(n pkix.Name) string {
	if s := n.String(); s != "" {
		return term.Printable(s)
	}
	return "(no name)"
}

// names are the names of certificates.
func names(all []*x509.Certificate) string {
	var list []string
	for _, c := range all {
		list = append(list, name(c.Subject))
	}
	return strings.Join(list, "; ")
}

// trusted are the CAs in the file that etcd trusts for the clients of an address.
func (a at) trusted() []*x509.Certificate {
	if a.etcd == nil {
		return nil
	}
	if a.l.Purpose == facts.PeerPort {
		return a.etcd.Files[a.etcd.Config.Peer.TrustedCA].Certificates
	}
	return a.etcd.Files[a.etcd.Config.Client.TrustedCA].Certificates
}
