package kubeapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bounds of one request.
const (
	longestAnswer = 64 << 20 // in bytes
	longestWait   = 30 * time.Second
)

// Client asks one API server as one user. It is closed after use.
type Client struct {
	server *url.URL
	http   http.Client
	token  string
}

func newClient(server *url.URL, config *tls.Config, token string) *Client {
	return &Client{server: server, token: token, http: http.Client{
		Transport: &http.Transport{TLSClientConfig: config},
		// A redirect could lead elsewhere with the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends its connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Server is the API server's URL, without a password.
func (c *Client) Server() string { return c.server.Redacted() }

// errGone is about a page of a list whose revision is no longer kept.
var errGone = errors.New("410 Gone")

// Get returns the answer to GET of a path with a query. needs is the right that the user
// needs for it, for the error of one who is refused. An answer of more than 64 MiB, and one
// that takes longer than 30 seconds, is an error.
func (c *Client) Get(ctx context.Context, path string, query url.Values, needs string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	address := c.server.JoinPath(path)
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	shown := address.Redacted()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("GET %s: %s: the API server does not accept the credentials of the kubeconfig", shown, answer.Status)
	case http.StatusForbidden:
		return nil, fmt.Errorf("GET %s: %s: the user needs the right to %s", shown, answer.Status, needs)
	case http.StatusGone:
		return nil, fmt.Errorf("GET %s: %w", shown, errGone)
	default:
		return nil, fmt.Errorf("GET %s: %s", shown, answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", shown, err)
	}
	if len(text) > longestAnswer {
		return nil, fmt.Errorf("GET %s: more than %d bytes", shown, longestAnswer)
	}
	return text, nil
}
