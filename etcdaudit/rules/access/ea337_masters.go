package access

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

// masters is about the node, not about objects of RBAC.
func masters() check.Rule[facts.Facts] {
	return check.Rule[facts.Facts]{
		ID: "EA-337", Title: "No certificate of system:masters with its key is on the node", Severity: check.Low,
		Why:   "system:masters may do everything whatever RBAC says, and the API server takes its certificates until they expire: one that is copied cannot be revoked",
		Reads: "client certificates and kubeconfigs in the directories of the control plane, by subject and issuer; the CA of --client-ca-file",
		Needs: []check.Need[facts.Facts]{need.Host, func(f facts.Facts) (check.Result, bool) {
			return check.Unevaluated("", "which CA the API server takes clients of is not known: no --client-ca-file that could be read was found", need.Visit(f.Host)), len(clientCAs(f.Host)) > 0
		}},
		Run: func(f facts.Facts) []check.Result { return []check.Result{judgeMasters(f.Host)} },
	}
}

func judgeMasters(h *facts.Host) check.Result {
	r := check.Passed("", "none was found among the certificates of the node")
	cas := clientCAs(h)
	for _, c := range h.Certificates {
		if !c.HasKey || c.IsCA || h.Now.After(c.NotAfter) || !slices.Contains(c.Subject.Organization, "system:masters") ||
			!slices.ContainsFunc(cas, func(ca *x509.Certificate) bool { return c.CheckSignatureFrom(ca) == nil }) {
			continue
		}
		r.Objects = append(r.Objects, check.Object{Resource: "certificate", Name: c.File, Detail: fmt.Sprintf("%s, until %s", c.Subject, c.NotAfter.UTC().Format("2006-01-02"))})
	}
	if r.Count = int64(len(r.Objects)); r.Count > 0 {
		r.Status, r.Summary = check.Warn, fmt.Sprintf("%d of system:masters, with their keys", r.Count)
		r.Remedy = "keep such a certificate for emergencies off the node (kubeadm: super-admin.conf), and give people and programs certificates of groups that RBAC decides on"
	}
	r.Target, r.Identity = "host "+h.Node, []string{h.Node, "system:masters"}
	r.Evidence = []check.Evidence{{Source: "host " + h.Node, Seen: fmt.Sprintf("%d certificates", len(h.Certificates))}}
	return r
}

// clientCAs are those that an API server of the node takes clients of.
func clientCAs(h *facts.Host) (all []*x509.Certificate) {
	for _, s := range h.APIServers {
		all = append(all, s.Files[s.Config.ClientCA].Certificates...)
	}
	return all
}
