package config

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/etcdaudit/rules/suites"
	"github.com/sealproof/sealproof/internal/check"
)

// strong is a list of suites that etcd and the API server both take.
const strong = "cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"

func tlsSettings() check.Rule[etcd] {
	return check.Rule[etcd]{
		ID: "EA-410", Title: "etcd's TLS versions and suites are strong", Severity: check.Low,
		Why:   "without a list the release of Go that etcd was built with chooses the suites, and old ones chose some without forward secrecy",
		Reads: "tls-min-version, tls-max-version and cipher-suites as they are in force, and the release of Go in etcd's binary",
		Needs: []check.Need[etcd]{understood, starts}, Run: one(judgeTLSSettings),
	}
}

func judgeTLSSettings(e etcd) check.Result {
	evidence := e.set("tls-min-version", "tls-max-version", "cipher-suites")
	if len(secure(e.clients()))+len(secure(e.Config.ListenPeer)) == 0 {
		return check.Inapplicable("etcd has no https address")
	}
	if weak := weakNames(e.Config.CipherSuites); len(weak) > 0 {
		return with(check.Warned("", "cipher-suites: "+strings.Join(weak, ", "), fix.Etcd(e.host, e.Etcd, strong)), evidence)
	}
	if e.Config.TLSMaxVersion == "TLS1.2" {
		return with(check.Warned("", "TLS 1.3 is turned off, and with it every post-quantum key exchange", fix.Etcd(e.host, e.Etcd, "tls-max-version=TLS1.3")), evidence)
	}
	if e.Config.TLSMinVersion == "TLS1.3" {
		return with(check.Passed("", "TLS 1.3 only"), evidence)
	}
	if n := len(e.Config.CipherSuites); n > 0 {
		return with(check.Passed("", fmt.Sprintf("TLS 1.2 and later, with %d chosen suites", n)), evidence)
	}
	return with(suitesOfGo(e.Process, "etcd", fix.Etcd(e.host, e.Etcd, strong)), evidence)
}

// suitesOfGo judges the suites of a program that has no list of its own: those of TLS 1.2
// that its release of Go chooses. do says how to give it a list.
func suitesOfGo(p *facts.Process, program, do string) check.Result {
	if p == nil || p.Go == "" {
		r := check.Unevaluated("", "the suites are those of the Go release that "+program+" was built with, which is not known", "run etcdaudit as root on the running node")
		r.Expected = true
		return r
	}
	evidence := []check.Evidence{{Source: p.Executable, Seen: "built with " + p.Go}}
	var minor int
	if _, err := fmt.Sscanf(p.Go, "go1.%d", &minor); err != nil {
		return with(check.Unevaluated("", fmt.Sprintf("the suites of %q are not known", p.Go), ""), evidence)
	}
	if minor < 23 { // RSA key exchange left the defaults in 1.22, 3DES in 1.23
		return with(check.Warned("", "no list of suites, and those of "+p.Go+" have some with 3DES or without forward secrecy", do), evidence)
	}
	return with(check.Passed("", "TLS 1.2 and later, with the suites of "+p.Go), evidence)
}

// weakNames are the suites of a list that should not be served, each with the reason.
func weakNames(names []string) (weak []string) {
	for _, name := range names {
		switch why := suites.Weak(name); {
		case why != "":
			weak = append(weak, name+" "+why)
		case !suites.Forward(name):
			weak = append(weak, name+" has no forward secrecy")
		}
	}
	return weak
}
