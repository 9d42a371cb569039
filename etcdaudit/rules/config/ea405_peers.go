package config

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
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
	ask := []string{"peer-trusted-ca-file=CA", "peer-client-cert-auth=true"}
	if e.Config.Peer.Cert == "" {
		ask = append([]string{"peer-auto-tls=false", "peer-cert-file=CERT", "peer-key-file=KEY"}, ask...)
	}
	do := fix.Etcd(e.host, e.Etcd, ask...)
	encrypt := fix.Etcd(e.host, e.Etcd, append(ask, "listen-peer-urls=https://…")...) + "; then etcdctl member update with https:// for each member"
	// The worst address decides. A unix socket speaks no TLS, and its rights are those of its
	// file (client/pkg/transport/listener.go).
	if open := plain(urls); slices.ContainsFunc(open, func(u string) bool { return !facts.Local(u) }) {
		return with(check.Failed("", "plaintext at "+join(open), encrypt), evidence)
	}
	encrypted := filter(urls, func(u string) bool { return scheme(u) == "https" })
	switch weakest(encrypted, e.Config.PeerAuth) {
	case etcdconfig.SystemCAs:
		return with(check.Failed("", "a certificate of any CA of the system's roots will do, because no peer CA file is set", do), evidence)
	case etcdconfig.SelfMade:
		return with(check.Failed("", "peer-auto-tls: peers accept each caller", do), evidence)
	case etcdconfig.Nothing:
		return with(check.Failed("", "no certificate is asked for at "+join(encrypted)+": neither peer-client-cert-auth nor a peer CA file is in force", do), evidence)
	}
	switch open := plain(urls); {
	case len(open) > 0:
		return with(check.Warned("", "plaintext at "+join(open)+", reached from this node only: each of its processes can take part in raft", encrypt), evidence)
	case slices.ContainsFunc(urls, abstractSocket):
		return with(check.Warned("", join(filter(urls, abstractSocket))+": etcd leaves the path out for peers and listens at an abstract socket, which has no owner and no mode: each process of the node can take part in raft", encrypt), evidence)
	case len(encrypted) == 0:
		return with(check.Passed("", join(urls)+": a unix socket, whose owner and mode decide which processes can use it"), evidence)
	}
	return with(check.Passed("", join(urls)+", certificates of the CA in "+e.Config.Peer.TrustedCA), evidence)
}

// abstractSocket reports whether a peer address is a socket that etcd names nowhere. Of a peer
// address it takes the host alone (server/embed/etcd.go, configurePeerListeners): unix:///path
// has none, and Linux makes up a name.
func abstractSocket(address string) bool {
	_, rest, _ := strings.Cut(address, "://")
	return strings.HasPrefix(scheme(address), "unix") && strings.HasPrefix(rest, "/")
}
