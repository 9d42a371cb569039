package vaultbackend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

var errAnswerTooLong = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)

// newTransport returns a pool of connections to Vault's nodes.
func newTransport(files *tlsFiles) *http.Transport {
	// HTTP/1.1 only: a request that is given up closes its connection, so that
	// the next one does not wait on a peer that died without a word. With
	// HTTP/2 all of them would share that peer's one connection.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		// No proxy from the environment: kubeadm copies the node's HTTPS_PROXY
		// into every static pod, and Vault's token must not go there by accident.
		Proxy:       nil,
		DialContext: dialer.DialContext,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return files.dial(ctx, dialer, network, address)
		},
		Protocols:              &protocols,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTime,
		DisableCompression:     true,
	}
}

// channel is the way to one namespace of Vault. It takes nothing from the
// environment: a VAULT_ADDR, VAULT_TOKEN or VAULT_NAMESPACE left over from
// somebody's shell must not change where keys come from. That is one reason why
// it makes its requests itself; vault/api's client also repeats them past their
// deadline, follows redirects to any host with the token, and drops the body of
// an answer with status 400, which is where Transit says what is wrong with
// each item.
type channel struct {
	// transport, not an http.Client: that would follow redirects, which are the
	// business of whoever knows the other nodes.
	transport http.RoundTripper
	namespace string
	indexes   *indexes
}

// query is one request, before it is decided which node gets it.
type query struct {
	op     operation
	token  string // "" for none
	method string
	path   string // below /v1/
	body   []byte // JSON, nil for none
	uids   []string
}

// answer is what came back over HTTP.
type answer struct {
	status int
	// texts are Vault's own error messages.
	texts []string
	// data is the "data" object, auth the "auth" object; nil where absent.
	data, auth json.RawMessage
	// foreign is set when the answer is not in Vault's form: a proxy, a load
	// balancer or a captive portal wrote it.
	foreign bool
	// elsewhere is where a redirect leads to, nil for none; elsewhereKnown says
	// that it is a configured address.
	elsewhere      *url.URL
	elsewhereKnown bool
	// clock is the server's clock, as its Date header names it.
	clock backend.ClockReading
}

// send makes one request to one node and reads its whole answer. An error means
// that there was no answer.
func (c channel) send(ctx context.Context, node *url.URL, q query) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, node.JoinPath("v1", q.path).String(), body)
	if err != nil {
		return answer{}, fmt.Errorf("make the request: %w", err)
	}
	c.setHeader(req.Header, q)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", node.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	defer clear(raw) // plaintexts and HMACs
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read the answer: %w", err)
	case len(raw) > maxAnswer:
		return answer{}, errAnswerTooLong
	}
	c.indexes.record(resp.Header)
	a := parseAnswer(resp.StatusCode, resp.Header, raw)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		a.elsewhere, _ = resp.Location()
	}
	return a, nil
}

func (c channel) setHeader(h http.Header, q query) {
	h.Set("User-Agent", "sealproof")
	h.Set(api.RequestHeaderName, "true") // Vault refuses what a browser was tricked into
	if q.token != "" {
		h.Set(api.AuthHeaderName, q.token)
	}
	if c.namespace != "" {
		h.Set(api.NamespaceHeaderName, c.namespace)
	}
	if q.body != nil {
		h.Set("Content-Type", "application/json")
	}
	if !q.op.isOnce() {
		// Not sent: it lets net/http repeat a request whose connection turns out
		// to have been closed by the other side just before.
		h["Idempotency-Key"] = nil
	}
	for _, uid := range headerUIDs(q.uids) {
		h.Add(uidHeader, uid)
	}
	c.indexes.require(h)
}

// neverSent reports that a request that failed with err did not leave.
func neverSent(err error) bool {
	op, isOp := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	return isName || isOp && op.Op == "dial"
}

func parseAnswer(status int, header http.Header, raw []byte) answer {
	a := answer{status: status}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		a.clock.Server = date
	}
	var body struct {
		Errors *[]string       `json:"errors"`
		Data   json.RawMessage `json:"data"`
		Auth   json.RawMessage `json:"auth"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		// An empty body is how Vault says "done, nothing to tell".
		a.foreign = status != http.StatusNoContent
		return a
	}
	a.data, a.auth = body.Data, body.Auth
	if body.Errors != nil {
		a.texts = *body.Errors
	}
	a.foreign = body.Errors == nil && body.Data == nil && body.Auth == nil
	return a
}
