package etcdconfig

import "strings"

// ClientAuth says what a client has to show at an address of ListenClient or
// ListenClientHTTP. An address that is listed with http:// and https:// serves both.
func (e Effective) ClientAuth(url string) Auth {
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "unixs://") {
		return e.Client.demands()
	}
	return Nothing
}

// MetricsAuth says it of an address of ListenMetrics, which takes the TLS settings of
// clients. A unix socket never speaks TLS there.
func (e Effective) MetricsAuth(url string) Auth {
	if strings.HasPrefix(url, "https://") {
		return e.Client.demands()
	}
	return Nothing
}

// PeerAuth says it of an address of ListenPeer.
func (e Effective) PeerAuth(url string) Auth {
	if strings.HasPrefix(url, "https://") {
		return e.Peer.demands()
	}
	return Nothing
}

// demands follows TLSInfo.ServerConfig, and Config.ClientSelfCert before it: auto-tls
// counts only where neither certificate nor key is given, and then replaces all else.
func (t TLS) demands() Auth {
	switch {
	case t.AutoTLS && t.Cert == "" && t.Key == "":
		return SelfMade
	case t.TrustedCA != "":
		return OwnCA
	case t.ClientCertAuth:
		return SystemCAs
	}
	return Nothing
}
