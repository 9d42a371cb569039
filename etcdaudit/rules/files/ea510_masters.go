package files

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func masters() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-510", Title: "No certificate of system:masters is kept on the node", Severity: check.Low,
		Why:   "the API server lets system:masters do everything, by no RBAC, and a certificate cannot be taken back: its key reads all Secrets until it expires or the CA is replaced",
		Reads: "the subjects of all certificates in the control plane's directories and kubeconfigs, whether --client-ca-file of an API server leads to them, which have their key here, and who can read that",
		Needs: []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
			return check.Unevaluated("", "no certificate was found on this node", "run etcdaudit host as root on each node of the control plane"), len(f.Host.Certificates) > 0
		}},
		Run: judgeMasters,
	}
}

func judgeMasters(f facts.Facts) (results []check.Result) {
	at := map[string]int{} // the result of each file
	for _, c := range f.Host.Certificates {
		if c.IsCA || !slices.Contains(c.Subject.Organization, "system:masters") {
			continue
		}
		r := judgeMaster(f.Host, c)
		r.Target, r.Identity = term.Printable(c.File), []string{f.Host.Node, c.File}
		r.Evidence = append(holders(f.Host, c), check.Evidence{Source: term.Printable(c.File), Seen: term.Printable(fmt.Sprintf("%s, until %s", c.Subject, c.NotAfter.UTC().Format(time.RFC3339)))})
		i, seen := at[c.File]
		if !seen {
			at[c.File] = len(results)
			results = append(results, r)
			continue
		}
		// A kubeconfig may have an old certificate beside the one that is in use.
		evidence := slices.Concat(results[i].Evidence, r.Evidence)
		results[i] = worse(results[i], r)
		results[i].Evidence = evidence
	}
	if results == nil {
		r := check.Passed("the node", fmt.Sprintf("none of %d certificates is of system:masters", len(f.Host.Certificates)))
		r.Identity, r.Evidence = []string{f.Host.Node, "system:masters"}, []check.Evidence{{Source: "the control plane's directories", Seen: fmt.Sprintf("%d certificates", len(f.Host.Certificates))}}
		return []check.Result{r}
	}
	return results
}

func judgeMaster(h *facts.Host, c facts.Certificate) check.Result {
	left := c.NotAfter.Sub(h.Now)
	days := int(left.Hours() / 24)
	accepted, known := trusted(h, c.Certificate)
	switch {
	case left < 0:
		return check.Passed("", fmt.Sprintf("%s expired %d days ago", term.Printable(c.Subject.CommonName), -days))
	case known && !accepted:
		return check.Passed("", fmt.Sprintf("%s is a certificate that no API server of this node trusts for clients", term.Printable(c.Subject.CommonName)))
	}
	where := "its key is not on this node"
	if c.HasKey {
		where = "its key is on this node"
	}
	if !accepted {
		where += "; whether an API server trusts its CA is not known"
	}
	return check.Warned("", fmt.Sprintf("%s may do everything for %d days more; %s", term.Printable(c.Subject.CommonName), days, where),
		"keep it away from the node, for emergencies (kubeadm: super-admin.conf); work with users that RBAC knows, and let the API server reach kubelets with a certificate of another group (kubeadm certs renew apiserver-kubelet-client)")
}

// trusted reports whether an API server takes the certificate, as the API server verifies it
// (k8s.io/apiserver, pkg/authentication/request/x509). known is false where none was found to
// take it, and the CAs of one were not read or there is no API server.
func trusted(h *facts.Host, c *x509.Certificate) (accepted, known bool) {
	intermediates := x509.NewCertPool()
	for _, other := range h.Certificates {
		intermediates.AddCert(other.Certificate)
	}
	known = len(h.APIServers) > 0
	for _, a := range h.APIServers {
		cas := a.Files[a.Config.ClientCA].Certificates
		if len(cas) == 0 && (a.Config.ClientCA != "" || a.NotEvaluated != "") {
			known = false
		}
		roots := x509.NewCertPool()
		for _, ca := range cas {
			roots.AddCert(ca)
		}
		at := h.Now
		if at.Before(c.NotBefore) {
			at = c.NotBefore // it will be valid
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
			return true, true
		}
	}
	return false, known
}

// holders says whom the keys of a certificate belong to.
func holders(h *facts.Host, c facts.Certificate) (all []check.Evidence) {
	hash := facts.CertificateHash(c.Certificate)
	for _, k := range h.Keys {
		if slices.Contains(k.Certificates, hash) {
			all = append(all, check.Evidence{Source: term.Printable(k.File), Seen: fmt.Sprintf("its key: %s, uid %d, gid %d", k.Rights.Mode, k.Rights.UID, k.Rights.GID)})
		}
	}
	return all
}
