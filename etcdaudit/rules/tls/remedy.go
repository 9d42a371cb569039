package tls

import (
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/fix"
)

// demanding says how to make etcd demand certificates of its own CA at the address, with more
// settings before those. Without a certificate of its own etcd does not start so, and
// auto-tls would replace all of it (etcd, server/embed/config.go, ClientSelfCert).
func (a at) demanding(more ...string) string {
	prefix, settings := "", slices.Clone(more)
	if a.l.Purpose == facts.PeerPort {
		prefix = "peer-"
	}
	if a.selfMade() {
		settings = append(settings, prefix+"auto-tls=false")
	}
	if a.withoutCertificate() {
		settings = append(settings, prefix+"cert-file=CERT", prefix+"key-file=KEY")
	}
	return fix.Etcd(a.host, a.etcd, append(settings, prefix+"trusted-ca-file=CA", prefix+"client-cert-auth=true")...)
}

// selfMade reports whether etcd serves a certificate that it has made (auto-tls).
func (a at) selfMade() bool {
	if a.etcd != nil {
		section := a.section()
		return section.AutoTLS && section.Cert == "" && section.Key == ""
	}
	return a.l.Served != nil && len(a.l.Served.Chain) > 0 && madeByEtcd(a.l.Served.Chain[0])
}

// withoutCertificate reports whether etcd has no certificate of a CA.
func (a at) withoutCertificate() bool {
	switch {
	case a.l.Served != nil && len(a.l.Served.Chain) > 0 && selfSigned(a.l.Served.Chain[0]):
		return true
	case a.etcd != nil:
		return a.section().Cert == ""
	}
	return a.l.Served == nil
}

// onlyTLS says how to make the address one of TLS.
func (a at) onlyTLS() string {
	urls := []string{"listen-client-urls=https://…", "advertise-client-urls=https://…"}
	then := "; then change the API servers' --etcd-servers to https://"
	if a.forHTTP() {
		urls, then = []string{"listen-client-http-urls=https://…"}, "; then change what reads there to https://"
	}
	if a.etcd != nil && a.etcd.Config.Client.Cert != "" && a.etcd.Config.Client.TrustedCA != "" {
		return "remove every http:// address: " + fix.Etcd(a.host, a.etcd, urls...) + then
	}
	// https:// alone would still let each caller in.
	return "remove every http:// address: " + a.demanding(urls...) + then
}

// forHTTP reports whether the address is one of --listen-client-http-urls.
func (a at) forHTTP() bool {
	if a.etcd == nil {
		return a.overHTTP() || a.l.Purpose == facts.MetricsPort && len(a.keysRead()) > 0
	}
	return slices.ContainsFunc(a.etcd.Config.ListenClientHTTP, func(u string) bool { return sameAddress(u, a.l.URL) })
}
