package live

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

func peerPort() *Error {
	return &Error{
		What: "this is etcd's port for its other members, not the one for clients",
		Do:   "give the client port, 2379 by default (etcd: --listen-client-urls)",
	}
}

// isPeerPort asks for the list of members, which etcd serves over HTTP/1.1 on
// its peer port only (server/etcdserver/api/etcdhttp/peer.go). What that port
// answers to gRPC depends on the version: an error in HTTP/1.1 since 3.6, and
// nothing at all before, which looks like a refused certificate.
func isPeerPort(ctx context.Context, e endpoint, config *tls.Config) bool {
	scheme := "http://"
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, e.network, e.address)
		},
	}
	if config != nil {
		scheme = "https://"
		transport.TLSClientConfig = config.Clone()
		transport.TLSClientConfig.ServerName = e.name
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	host := e.address
	if e.network == "unix" {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+host+"/members", nil)
	if err != nil {
		return false
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	return resp.StatusCode == http.StatusOK && resp.Header.Get("X-Etcd-Cluster-ID") != ""
}
