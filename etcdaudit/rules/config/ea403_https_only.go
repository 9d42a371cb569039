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
	case len(open) > 0:
		said, settings := "plaintext at "+join(open), e.toHTTPS()
		if e.Config.Client.Cert != "" {
			said += "; certificate and client-cert-auth have no effect there"
		}
		if e.Config.Client.Cert == "" || e.Config.Client.TrustedCA == "" {
			// https:// alone would still let each caller in.
			settings = append(settings, e.demanding()...)
		}
		return with(check.Failed("", said, fix.Etcd(e.host, e.Etcd, settings...)), evidence)
	case len(e.clients()) == 0:
		return with(check.Unevaluated("", "no address for clients is known", ""), evidence)
	}
	return with(check.Passed("", join(e.clients())), evidence)
}

// toHTTPS are the settings whose addresses are to be https://.
func (e etcd) toHTTPS() (settings []string) {
	if len(plain(e.Config.ListenClient)) > 0 {
		settings = append(settings, "listen-client-urls=https://…", "advertise-client-urls=https://…")
	}
	if len(plain(e.Config.ListenClientHTTP)) > 0 {
		settings = append(settings, "listen-client-http-urls=https://…")
	}
	return settings
}

// demanding are the settings with which etcd demands certificates of its own CA. Without a
// certificate of its own it does not start so, and auto-tls would replace all of it.
func (e etcd) demanding() (settings []string) {
	if e.Config.Client.AutoTLS {
		settings = append(settings, "auto-tls=false")
	}
	if e.Config.Client.Cert == "" {
		settings = append(settings, "cert-file=CERT", "key-file=KEY")
	}
	return append(settings, "trusted-ca-file=CA", "client-cert-auth=true")
}
