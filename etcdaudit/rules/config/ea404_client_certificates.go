package config

import (
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func clientCertificates() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-404", Title: "etcd demands client certificates of its own CA", Severity: check.Critical,
		Why:   "without it each caller that reaches the port has full access; with client-cert-auth and no CA file a certificate of any public CA will do",
		Reads: "what etcd makes of client-cert-auth, trusted-ca-file and auto-tls together: a CA file alone demands certificates, whatever client-cert-auth says",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeClientCertificates),
	}
}

func judgeClientCertificates(e etcd) check.Result {
	evidence := e.set("client-cert-auth", "trusted-ca-file", "auto-tls", "cert-file")
	urls := secure(e.clients())
	// One address in plaintext answers each caller, whatever the others demand.
	if open := plain(e.clients()); len(open) > 0 {
		return with(check.Failed("", "no client certificate is asked for without TLS, at "+join(open), "see EA-403 first: there is no client certificate without TLS"), evidence)
	}
	if len(urls) == 0 {
		return check.Inapplicable("etcd has no https address for clients")
	}
	do := fix.Etcd(e.host, e.Etcd, e.demanding()...)
	switch e.Config.ClientAuth(urls[0]) {
	case etcdconfig.OwnCA:
		said := "demanded, of the CA in " + e.Config.Client.TrustedCA
		if !e.Config.Client.ClientCertAuth {
			said += "; the CA alone is enough, although client-cert-auth is not set"
		}
		return with(check.Passed("", said), evidence)
	case etcdconfig.SystemCAs:
		return with(check.Failed("", "demanded, but any CA of the system's roots will do, because no CA file is set", do), evidence)
	case etcdconfig.SelfMade:
		return with(check.Failed("", "not asked for: auto-tls replaces all other TLS settings", do), evidence)
	}
	return with(check.Failed("", "not asked for: neither client-cert-auth nor a CA file is in force", do), evidence)
}
