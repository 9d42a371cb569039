package config

import (
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
	"github.com/sealproof/sealproof/internal/check"
)

func apiServerTLS() check.Rule[apiServer] {
	return check.Rule[apiServer]{
		ID: "EA-426", Title: "The API server serves TLS 1.2 and later, with its own certificate and strong suites", Severity: check.Medium,
		Why:   "each Secret that is read goes over this port",
		Reads: "--tls-min-version, --tls-cipher-suites, --tls-cert-file and --tls-private-key-file, and the release of Go in the API server's binary",
		Needs: []check.Need[apiServer]{accepted}, Run: one(judgeAPIServerTLS),
	}
}

func judgeAPIServerTLS(s apiServer) check.Result {
	evidence := s.given("tls-min-version", "tls-cipher-suites", "tls-cert-file")
	switch c := s.Config; {
	case c.TLSMinVersion == "VersionTLS10" || c.TLSMinVersion == "VersionTLS11":
		return with(check.Failed("", "--tls-min-version="+c.TLSMinVersion, fix.APIServer(s.host, s.APIServer, "tls-min-version=VersionTLS12")), evidence)
	case len(weakNames(c.CipherSuites)) > 0:
		return with(check.Warned("", strings.Join(weakNames(c.CipherSuites), ", "), fix.Without(s.host, s.APIServer, "tls-cipher-suites")), evidence)
	case c.TLSCert == "":
		return with(check.Warned("", "no --tls-cert-file: the API server makes a self-signed certificate", fix.APIServer(s.host, s.APIServer, "tls-cert-file=CERT", "tls-private-key-file=KEY")), evidence)
	case c.TLSMinVersion == "VersionTLS13":
		return with(check.Passed("", "TLS 1.3 only"), evidence)
	case len(c.CipherSuites) > 0:
		return with(check.Passed("", "TLS 1.2 and later, with a list of strong suites"), evidence)
	}
	return with(suitesOfGo(s.Process, "the API server", fix.APIServer(s.host, s.APIServer, "tls-"+strong)), evidence)
}
