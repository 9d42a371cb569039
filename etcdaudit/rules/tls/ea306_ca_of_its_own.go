package tls

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func caOfItsOwn() rule {
	return rule{
		ID: "EA-306", Title: "The CA that etcd trusts signs for nothing else", Severity: check.High,
		Why:   "if the CA of the cluster's users and nodes is trusted by etcd as well, every kubelet and every user with a certificate reads all Secrets and can become cluster-admin",
		Reads: "by key: the CAs that etcd trusts, those of the API server, and the client certificates on the node; without a node, the names of CAs that the address sends",
		Needs: needs{speaksTLS, demandsAny}, Run: one(judgeCA),
	}
}

func judgeCA(a at) check.Result {
	const todo = "make a CA for etcd alone (kubeadm: /etc/kubernetes/pki/etcd), issue etcd's and the API servers' certificates anew from it, and let etcd trust only that"
	cas := a.trusted()
	if len(cas) == 0 {
		return a.judgeCANames()
	}
	evidence := []check.Evidence{{Source: "CAs that " + a.etcd.Name + " trusts", Seen: names(cas)}}
	var strangers []holder
	for _, c := range holders(a.host, cas) {
		if foreign(a.host, c.Certificate) {
			strangers = append(strangers, c)
		}
	}
	known := false
	for _, s := range a.host.APIServers {
		users := s.Files[s.Config.ClientCA].Certificates
		known = known || len(users) > 0
		if shared, ok := sameKey(cas, users); ok {
			r := check.Failed("", fmt.Sprintf("etcd trusts %s, which is also the CA of the API server's users (%s)", name(shared.Subject), s.Config.ClientCA), todo)
			r.Objects, r.Count = objects(strangers), int64(len(strangers))
			return with(r, append(evidence, check.Evidence{Source: s.Name + ", --client-ca-file " + s.Config.ClientCA, Seen: names(users)})...)
		}
	}
	switch {
	case len(strangers) > 0:
		r := check.Failed("", "of a CA that etcd trusts, and not for etcd: "+count(len(strangers), "certificate"), todo)
		r.Objects, r.Count = objects(strangers), int64(len(strangers))
		return with(r, evidence...)
	case !known:
		r := check.Unevaluated("", "the CA of the API server's users is not on this node; no certificate here is against it", "run etcdaudit all on a node with an API server")
		r.Expected = true
		return with(r, evidence...)
	}
	return with(check.Passed("", fmt.Sprintf("the CA %s is not that of the API server's users, and none of %d certificates on this node is another's", names(cas), len(a.host.Certificates))), evidence...)
}

// foreign reports whether a certificate is for something else than etcd: of a user of
// Kubernetes (system:…, a kubeconfig), or one that an API server uses elsewhere.
func foreign(h *facts.Host, c facts.Certificate) bool {
	for _, s := range h.APIServers {
		if s.At(c.File, s.Config.EtcdCert) {
			return false // kubeadm has put it into system:masters, until 1.29
		}
	}
	for _, s := range h.APIServers {
		if s.At(c.File, s.Config.TLSCert) || s.At(c.File, s.Config.KubeletClientCert) {
			return true
		}
	}
	of := func(s string) bool { return strings.HasPrefix(s, "system:") && s != "system:masters" }
	return c.Inline || of(c.Subject.CommonName) || slices.ContainsFunc(c.Subject.Organization, of)
}

// judgeCANames is for an address of which only the names of its CAs are known. Names
// prove no difference: two CAs may have one, and one CA two.
func (a at) judgeCANames() check.Result {
	var known []string
	for _, der := range a.l.Served.AcceptableCAs {
		known = append(known, distinguished(der))
		for _, users := range clientCAs(a.host) {
			if bytes.Equal(der, users.RawSubject) {
				return with(check.Warned("", "the address names "+distinguished(der)+" as a CA that it accepts, which is the name of the CA of the API server's users", "compare the keys: run etcdaudit all on the node of this etcd"),
					check.Evidence{Source: a.l.URL, Seen: "names of CAs: " + strings.Join(known, "; ")})
			}
		}
	}
	reason := "the CAs that etcd trusts are not known"
	if len(known) > 0 {
		reason = "only the names of the CAs that etcd trusts are known: " + strings.Join(known, "; ")
	}
	r := check.Unevaluated("", reason, "run etcdaudit all on the node of this etcd")
	r.Expected = true
	return r
}

func clientCAs(h *facts.Host) (all []*x509.Certificate) {
	if h == nil {
		return nil
	}
	for _, s := range h.APIServers {
		all = append(all, s.Files[s.Config.ClientCA].Certificates...)
	}
	return all
}

// distinguished is a name in DER as text.
func distinguished(der []byte) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return "(a name that cannot be read)"
	}
	return term.Printable(sequence.String())
}
