package vaultbackend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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
	// idleConns is how many connections are kept open. Batching needs few.
	idleConns = 8
	idleTime  = 90 * time.Second
)

// newTransport returns the one pool of connections to Vault.
func newTransport(cfg Config) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("vault.ca-file: %w", err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("vault.ca-file: %s holds no PEM certificate", cfg.CAFile)
		}
	}
	// HTTP/1.1 only: a request that is given up closes its connection, so that
	// the next one does not wait on a peer that died without a word. With
	// HTTP/2 all of them would share that peer's one connection.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		// No proxy from the environment: kubeadm copies the node's HTTPS_PROXY
		// into every static pod, and Vault's token must not go there by accident.
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		TLSClientConfig:        tlsConfig,
		Protocols:              &protocols,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleTime,
		DisableCompression:     true,
	}, nil
}

// boundedTransport cuts off answers that are longer than any real one:
// vault/api reads the body of every error to its end.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

var errAnswerTooLong = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// Only one byte more decides whether the answer ends exactly here.
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, errAnswerTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// newVault returns a client of Vault's API for one namespace. It takes nothing
// from the environment: a VAULT_ADDR, VAULT_TOKEN or VAULT_NAMESPACE left over
// from somebody's shell must not change where keys come from.
func newVault(address, namespace string, transport http.RoundTripper) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address: address,
		HttpClient: &http.Client{
			Transport: boundedTransport{transport},
			// vault/api follows one redirect itself, never away from https.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		// Retries would outlive the deadline of whoever waits.
		MaxRetries: 0,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare Vault's client library (it reads the VAULT_* environment variables, which are not used here; unset the one it complains about): %w", err)
	}
	client.ClearToken()
	client.SetMFACreds(nil)
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.SetHeaders(http.Header{
		api.RequestHeaderName: {"true"},
		"User-Agent":          {"sealproof"},
	})
	if namespace != "" {
		client.SetNamespace(namespace)
	}
	return client, nil
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
	// clock is the server's clock, as its Date header names it.
	clock backend.ClockReading
}

// send makes one request and reads its whole answer. An error means that there
// was no answer.
func send(ctx context.Context, vault *api.Client, token, method, path string, body any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req := vault.NewRequest(method, "/v1/"+path)
	req.ClientToken = token
	if body != nil {
		if err := req.SetJSONBody(body); err != nil {
			return answer{}, fmt.Errorf("encode the request: %w", err)
		}
	}
	// The calls that replace this one either take the token from state that all
	// requests share, or drop the body of an answer with status 400, which is
	// where Transit says what is wrong with each item.
	resp, err := vault.RawRequestWithContext(ctx, req) //nolint:staticcheck // see above
	if resp == nil {
		if err == nil {
			err = errors.New("neither an answer nor an error")
		}
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, readErr := io.ReadAll(resp.Body)
	defer clear(raw) // plaintexts and HMACs
	if readErr != nil {
		return answer{}, fmt.Errorf("read the answer: %w", readErr)
	}
	if _, isAnswer := errors.AsType[*api.ResponseError](err); err != nil && !isAnswer {
		return answer{}, err
	}
	return parseAnswer(resp.StatusCode, resp.Header, raw), nil
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
