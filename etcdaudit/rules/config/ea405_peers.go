package config

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func peers() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-405", Title: "etcd's peers speak TLS with certificates of their own CA", Severity: check.Critical,
		Why:   "whoever may connect to the peer port can read and forge everything that members send each other",
		Reads: "listen-peer-urls and the peer TLS settings as they are in force, peer-auto-tls among them",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgePeers),
	}
}

func judgePeers(e etcd) check.Result {
	evidence := e.set("listen-peer-urls", "peer-cert-file", "peer-trusted-ca-file", "peer-client-cert-auth", "peer-auto-tls")
	urls := e.Config.ListenPeer
	if len(urls) == 0 {
		return with(check.Unevaluated("", "no address for peers is known", ""), evidence)
	}
	do := fix.Etcd(e.host, e.Etcd, "peer-cert-file=CERT", "peer-key-file=KEY", "peer-trusted-ca-file=CA", "peer-client-cert-auth=true", "listen-peer-urls=https://…")
	if open := plain(urls); len(open) > 0 {
		if !slices.ContainsFunc(open, func(u string) bool { return !local(u) }) {
			return with(check.Warned("", "plaintext at "+join(open)+", reached from this node only: each of its processes can take part in raft", do), evidence)
		}
		return with(check.Failed("", "plaintext at "+join(open), do), evidence)
	}
	switch e.Config.PeerAuth(urls[0]) {
	case etcdconfig.OwnCA:
		return with(check.Passed("", join(urls)+", certificates of the CA in "+e.Config.Peer.TrustedCA), evidence)
	case etcdconfig.SystemCAs:
		return with(check.Failed("", "a certificate of any CA of the system's roots will do, because no peer CA file is set", do), evidence)
	case etcdconfig.SelfMade:
		return with(check.Failed("", "peer-auto-tls: peers accept each caller", fix.Etcd(e.host, e.Etcd, "peer-auto-tls=false", "peer-cert-file=CERT", "peer-key-file=KEY", "peer-trusted-ca-file=CA", "peer-client-cert-auth=true")), evidence)
	}
	return with(check.Failed("", "no certificate is asked for: neither peer-client-cert-auth nor a peer CA file is in force", do), evidence)
}
