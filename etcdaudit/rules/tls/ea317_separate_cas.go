package tls

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func separateCAs() rule {
	return rule{
		ID: "EA-317", Title: "Peers trust another CA than clients", Severity: check.Low,
		Why:   "with one CA for both each client's certificate is a member's too (EA-308), and neither can be replaced without the other; kubeadm has one CA for both, RKE2 and k3s have two",
		Reads: "by key: the CAs in the files that etcd trusts for peers and for clients",
		Needs: needs{speaksTLS, demandsAny}, Run: one(judgeSeparate),
	}
}

func judgeSeparate(a at) check.Result {
	if a.etcd == nil {
		r := check.Unevaluated("", "the files of the CAs that this etcd trusts were not read, and names prove nothing", "run etcdaudit all on the node of this etcd")
		r.Expected = true
		return r
	}
	config := a.etcd.Config
	if config.Client.TrustedCA == "" {
		return check.Inapplicable("etcd has no file of CAs for clients, and so none that peers could share: EA-404")
	}
	peers, clients := a.etcd.Files[config.Peer.TrustedCA].Certificates, a.etcd.Files[config.Client.TrustedCA].Certificates
	if len(peers) == 0 || len(clients) == 0 {
		return check.Unevaluated("", a.etcd.Name+": its files of trusted CAs hold no certificate that could be read", "")
	}
	evidence := []check.Evidence{{Source: config.Peer.TrustedCA, Seen: "trusted for peers: " + names(peers)}, {Source: config.Client.TrustedCA, Seen: "trusted for clients: " + names(clients)}}
	if shared, ok := sameKey(peers, clients); ok {
		return with(check.Warned("", name(shared.Subject)+" is trusted for peers and for clients", "issue the members' certificates from a CA of their own, and let peers trust only that: "+fix.Etcd(a.host, a.etcd, "peer-trusted-ca-file=PEER-CA")), evidence...)
	}
	return with(check.Passed("", "peers trust "+names(peers)+", clients are trusted of "+names(clients)), evidence...)
}
