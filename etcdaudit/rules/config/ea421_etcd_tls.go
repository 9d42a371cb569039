package config

import (
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func etcdOverTLS() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-421", Title: "The API server reaches every etcd over TLS, with a CA and a certificate of its own", Severity: check.Critical,
		Why:   "everything that the cluster stores goes over this connection; without a CA file the API server trusts each CA of the system, and without a certificate etcd cannot demand one",
		Reads: "--etcd-servers, --etcd-servers-overrides, --etcd-cafile, --etcd-certfile and --etcd-keyfile",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeEtcdTLS),
	}
}

func judgeEtcdTLS(s apiServer) check.Result {
	evidence := s.given("etcd-servers", "etcd-servers-overrides", "etcd-cafile", "etcd-certfile", "etcd-keyfile")
	var open, servers []string
	for _, e := range s.Config.Etcds {
		for _, u := range plain(e.Servers) {
			if e.Resource != "" {
				u = e.Resource + " at " + u
			}
			open = append(open, u)
		}
		servers = append(servers, e.Servers...)
	}
	c := s.Config
	switch {
	case len(servers) == 0:
		return with(check.Unevaluated("", "no etcd is named", ""), evidence)
	case len(open) > 0:
		return with(check.Failed("", "plaintext: "+join(open), "let that etcd listen over https (EA-403), then "+fix.APIServer(s.host, s.APIServer, "etcd-servers=https://…", "etcd-cafile=CA", "etcd-certfile=CERT", "etcd-keyfile=KEY")+"; likewise --etcd-servers-overrides"), evidence)
	case !slices.ContainsFunc(servers, func(u string) bool { return !strings.HasPrefix(u, "unix:") }):
		return with(check.Passed("", join(servers)+": a unix socket, whose owner and mode decide which processes can use it"), evidence)
	case c.EtcdCA == "":
		return with(check.Failed("", "no --etcd-cafile: a certificate of any CA of the system's roots passes for etcd's", fix.APIServer(s.host, s.APIServer, "etcd-cafile=CA")), evidence)
	case c.EtcdCert == "" || c.EtcdKey == "":
		return with(check.Failed("", "no client certificate, so etcd demands none", fix.APIServer(s.host, s.APIServer, "etcd-certfile=CERT", "etcd-keyfile=KEY")), evidence)
	}
	return with(check.Passed("", join(servers)+", with the CA "+c.EtcdCA+" and the certificate "+c.EtcdCert), evidence)
}
