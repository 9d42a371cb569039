package config

import (
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func httpsOnly() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-403", Title: "etcd listens for clients over https only", Severity: check.Critical,
		Why:   "an http:// address is plaintext and open to each caller, whatever the TLS settings say: etcd ignores them for it, with a line in its log",
		Reads: "listen-client-urls and listen-client-http-urls as they are in force: flags, environment, configuration file and defaults, merged as etcd merges them",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeHTTPS),
	}
}

func judgeHTTPS(e etcd) check.Result {
	evidence := e.set("listen-client-urls", "listen-client-http-urls", "cert-file", "client-cert-auth")
	open := plain(e.clients())
	switch {
	case len(open) > 0 && e.Config.Client.Cert != "":
		return with(check.Failed("", "plaintext at "+join(open)+"; certificate and client-cert-auth have no effect there", fix.Etcd(e.host, e.Etcd, "listen-client-urls=https://…")), evidence)
	case len(open) > 0:
		return with(check.Failed("", "plaintext at "+join(open), fix.Etcd(e.host, e.Etcd, "listen-client-urls=https://…", "cert-file=CERT", "key-file=KEY", "trusted-ca-file=CA", "client-cert-auth=true")), evidence)
	case len(e.clients()) == 0:
		return with(check.Unevaluated("", "no address for clients is known", ""), evidence)
	}
	return with(check.Passed("", join(e.clients())), evidence)
}
