package config

import (
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func noAutoTLS() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-406", Title: "etcd does not make its own certificate for clients", Severity: check.High,
		Why:   "nothing tells a certificate that etcd made for itself from that of an attacker in between, and with it etcd asks for no client certificate",
		Reads: "auto-tls, and whether it is in force: beside a certificate or key file it is not",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeAutoTLS),
	}
}

func judgeAutoTLS(e etcd) check.Result {
	evidence := e.set("auto-tls", "cert-file", "key-file", "listen-client-urls")
	urls := secure(e.clients())
	switch {
	case len(urls) == 0:
		return check.Inapplicable("etcd has no https address for clients")
	case e.Config.ClientAuth(urls[0]) == etcdconfig.SelfMade:
		return with(check.Failed("", "auto-tls is in force", fix.Etcd(e.host, e.Etcd, "auto-tls=false", "cert-file=CERT", "key-file=KEY", "trusted-ca-file=CA", "client-cert-auth=true")), evidence)
	case e.Config.Client.AutoTLS:
		return with(check.Passed("", "auto-tls is set and not in force, because certificate and key are given"), evidence)
	}
	return with(check.Passed("", "auto-tls is not set"), evidence)
}
