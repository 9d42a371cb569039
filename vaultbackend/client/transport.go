package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// These bound one attempt to connect. The caller's deadline, usually about
	// 2 s, ends everything earlier.
	dialTimeout = 5 * time.Second
	tlsTimeout  = 5 * time.Second
	// requestTimeout ends a request whose callers set no deadline, or which
	// runs on after they left. A Vault that accepts and never answers must not
	// hold a connection for ever.
	requestTimeout = 10 * time.Second

	// maxAnswer bounds what is read of one answer. The largest one expected,
	// 256 results of a few KiB, stays far below.
	maxAnswer = 8 << 20
	// idleConns is how many connections to one node are kept open. Decrypts
	// need few, as they share requests; encrypts come one by one, and 32
	// callers must not shake hands anew for each.
	idleConns = 32
	idleTime  = 90 * time.Second
)

var errNoAnswer = errors.New("neither an answer nor an error")

// newTransport returns a pool of connections to Vault's nodes.
func newTransport(files *tlsFiles) *http.Transport {
	// HTTP/1.1 only: a request that is given up closes its connection, so the
	// next one does not wait on a peer that died silently. With HTTP/2 all
	// requests would share that peer's one connection.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		// No proxy from the environment: kubeadm copies the node's HTTPS_PROXY
		// into every static pod, and Vault's token must not go there by accident.
		Proxy:       nil,
		DialContext: dialing(dialer.DialContext),
		DialTLSContext: dialing(func(ctx context.Context, network, address string) (net.Conn, error) {
			return files.dial(ctx, dialer, network, address)
		}),
		Protocols:              &protocols,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTime,
		DisableCompression:     true,
	}
}

// exchange makes vault/api's requests. It cuts off answers that are longer than
// any real one, since vault/api reads the body of every error to its end, and
// allows net/http to repeat a request whose connection turns out to have been
// closed by the other side just before, unless it is one that counts.
type exchange struct {
	kept  http.RoundTripper // over connections that stay open
	fresh http.RoundTripper // over a new one each time
}

type unrepeatedKey struct{}

func (e exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Context().Value(unrepeatedKey{}) == nil {
		req = req.Clone(req.Context())
		req.Header["Idempotency-Key"] = nil // known to net/http, and not sent
	}
	way := e.kept
	if backend.NewConnection(req.Context()) {
		way = e.fresh
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

// connections are the way to each node of Vault.
type connections struct {
	clients map[*url.URL]*api.Client
	indexes *indexes
}

// newConnections prepares a client for each node. It takes nothing from the
// environment: a VAULT_ADDR, VAULT_TOKEN or VAULT_NAMESPACE left over from a
// shell must not change where keys come from.
func newConnections(nodes *nodes, transport exchange, indexes *indexes) (connections, error) {
	c := connections{clients: map[*url.URL]*api.Client{}, indexes: indexes}
	for _, node := range nodes.urls {
		client, err := api.NewClient(&api.Config{
			Address: node.String(),
			HttpClient: &http.Client{
				Transport:     transport,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			// Only nodes decides where a redirect may lead: the token goes to
			// configured addresses only.
			DisableRedirects: true,
			// Retries would outlive the caller's deadline.
			MaxRetries: 0,
		})
		if err != nil {
			return connections{}, fmt.Errorf("prepare Vault's client library (it reads the VAULT_* environment variables, which are not used here; unset the one it complains about): %w", err)
		}
		client.ClearToken()
		client.SetMFACreds(nil)
		client.SetWrappingLookupFunc(func(string, string) string { return "" })
		client.SetHeaders(http.Header{
			api.RequestHeaderName: {"true"}, // Vault refuses what a browser was tricked into
			"User-Agent":          {"sealproof"},
		})
		c.clients[node] = client
	}
	return c, nil
}

// send makes one request to one node and reads its whole answer. An error means
// that there was no answer.
func (c connections) send(ctx context.Context, node *url.URL, q query) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if q.Op.isOnce() || q.Op.isCounted() {
		ctx = context.WithValue(ctx, unrepeatedKey{}, true)
	}
	vault := c.clients[node].WithNamespace(q.namespace)
	req := vault.NewRequest(q.Method, "/v1/"+q.Path)
	req.ClientToken = q.token
	req.BodyBytes = q.body
	maps.Copy(req.Headers, q.Header)
	if q.body != nil {
		req.Headers.Set("Content-Type", "application/json")
	}
	c.indexes.require(req.Headers)
	// The calls that replace this one either take the token from state that all
	// requests share, or drop the body of an answer with status 400, which is
	// where Transit says what is wrong with each item.
	resp, err := vault.RawRequestWithContext(ctx, req) //nolint:staticcheck // see above
	if resp == nil {
		return Answer{}, fmt.Errorf("%s: %w", node.Host, cmp.Or(err, errNoAnswer))
	}
	defer func() { _ = resp.Body.Close() }()
	raw, readErr := io.ReadAll(resp.Body)
	defer clear(raw) // plaintexts and HMACs
	if readErr != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", readErr)
	}
	if _, isAnswer := errors.AsType[*api.ResponseError](err); err != nil && !isAnswer {
		return Answer{}, fmt.Errorf("%s: %w", node.Host, err)
	}
	c.indexes.record(resp.Header)
	return parseAnswer(resp.StatusCode, resp.Header, raw, node), nil
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

// dialing marks the errors of d.
func dialing(d dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d(ctx, network, address)
		if err != nil {
			return nil, &notConnectedError{err}
		}
		return conn, nil
	}
}

// notConnectedError is why there is no connection: nothing listens there, or the
// listener is not trusted. So nothing was sent.
type notConnectedError struct{ error }

func (e *notConnectedError) Unwrap() error { return e.error }

// Timeout says what net/http asks of a net.Error.
func (e *notConnectedError) Timeout() bool {
	cause, ok := errors.AsType[net.Error](e.error)
	return ok && cause.Timeout()
}

// neverSent reports that a request that failed with err did not leave.
func neverSent(err error) bool {
	_, ok := errors.AsType[*notConnectedError](err)
	return ok
}
