package tls

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
	"github.com/sealproof/sealproof/internal/check"
)

func noWeakSuites() rule {
	return rule{
		ID: "EA-310", Title: "No weak cipher suite is served", Severity: check.Medium,
		Why:   "a client that asks for such a suite gets a connection that can be read or changed by others on the network",
		Reads: "the cipher suites that each address accepts, by their numbers",
		Needs: needs{speaksTLS}, Run: one(judgeSuites),
	}
}

func judgeSuites(a at) check.Result {
	all := served(a.l.Served)
	evidence := a.offered("suites: " + strings.Join(all, ", "))
	var weak []string
	for _, name := range all {
		if why := suites.Weak(name); why != "" {
			weak = append(weak, name+" "+why)
		}
	}
	if len(weak) > 0 {
		return with(check.Failed("", strings.Join(weak, ", "), a.chooseSuites()), evidence)
	}
	if r, ok := a.enumerated(); !ok {
		return with(r, evidence)
	}
	if len(all) == 0 {
		return with(check.Unevaluated("", "no suite came up, though all were tried", ""), evidence)
	}
	return with(check.Passed("", count(len(all), "suite")+", none of them weak"), evidence)
}

func (a at) chooseSuites() string {
	return fix.Etcd(a.host, a.etcd, "cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
}
