package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// closeTimeout bounds the orderly end, which must not wait for a Vault that
	// hangs.
	closeTimeout = time.Second
	// A node that has not caught up is asked again this often, and this often at
	// most: usually it lags by less than that.
	catchUpPause = 100 * time.Millisecond
	catchUpTries = 5
)

// Client is one Transit key, behind one login. It is safe for concurrent use.
type Client struct {
	cfg        Config
	log        *slog.Logger
	boot       func() time.Duration
	obs        Observer
	transports []*http.Transport
	nodes      *nodes
	indexes    *indexes
	vault      channel // to the key's namespace
	login      channel // to the auth method's namespace
	tokens     *keeper
	decrypts   *gatherer
	gate       gate
	// life is that of every request and goroutine; end ends it.
	life context.Context
	end  context.CancelFunc
}

var _ backend.Backend = (*Client)(nil)

// New prepares a client and contacts nobody: it succeeds while Vault is away,
// and before the files with the credentials exist. boot returns the time since
// boot, suspended time included. A nil obs observes nothing. Close it at the end.
func New(cfg Config, log *slog.Logger, boot func() time.Duration, obs Observer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.canonical()
	if obs == nil {
		obs = noObserver{}
	}
	files, err := newTLSFiles(cfg, log)
	if err != nil {
		return nil, err
	}
	nodes, err := newNodes(cfg.Address, log)
	if err != nil {
		return nil, err
	}
	transport := newTransport(files)
	forLogin := transport
	if cfg.Auth.Method == MethodCert {
		// Vault looks at the certificate of the connection. One that was made
		// before the certificate was replaced would go on showing the old one.
		forLogin = transport.Clone()
		forLogin.DisableKeepAlives = true
	}
	indexes := &indexes{}
	vault, err := newChannel(nodes, cfg.Namespace, transport, indexes)
	if err != nil {
		return nil, err
	}
	login, err := newChannel(nodes, cfg.loginNamespace(), forLogin, indexes)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, log: log, boot: boot, obs: obs, life: life, end: end, vault: vault, login: login,
		transports: []*http.Transport{transport, forLogin}, nodes: nodes, indexes: indexes,
	}
	c.tokens = newKeeper(life, newAuthenticator(cfg, c.requestAuth, log), renewSelf(c.requestAuth), log, obs)
	c.decrypts = newGatherer(life, c.decryptBatch)
	return c, nil
}

// Run keeps the login alive in the background, renewing the token or logging in
// again in time, until ctx ends; then it returns nil. Without it requests still
// log in when they have to, and wait for that.
func (c *Client) Run(ctx context.Context) error {
	c.tokens.run(ctx)
	return nil
}

// Close lets requests under way finish, revokes the token if this client has
// logged in for it, and closes the connections. Within about a second it is
// done, whatever Vault does. Run is to be ended by its context before.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	finished := c.gate.shut()
	c.tokens.shut()
	select {
	case <-finished:
	case <-ctx.Done():
	}
	if s := c.tokens.own(); s != nil {
		c.revoke(ctx, s)
	}
	c.end()
	c.tokens.finish()
	c.decrypts.close()
	c.nodes.close()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// revoke ends a token that nobody will use any more. What may fail costs no
// more than that it lives until its time is over.
func (c *Client) revoke(ctx context.Context, s *session) {
	if _, err := c.requestAuth(ctx, opRevoke, s.token, http.MethodPut, "auth/token/revoke-self", struct{}{}); err != nil {
		c.log.Info("the Vault token was not revoked and ends by itself", "expires", s.expires, "error", err)
		return
	}
	c.log.Info("revoked the Vault token")
}

// describe says what is being done to what, for errors and logs.
func (c *Client) describe(op operation) string {
	switch op {
	case opReadKey:
		return "read " + c.keyPath("keys")
	case opLogin:
		return "log in to Vault at auth/" + c.cfg.Auth.Mount
	case opLookup:
		return "look up the Vault token"
	case opRenew:
		return "renew the Vault token"
	case opOrigin:
		return "look up the wrapping token of the secret-id"
	case opUnwrap:
		return "unwrap the secret-id"
	case opRevoke:
		return "revoke the Vault token"
	default:
		return string(op) + " with " + c.keyPath("keys")
	}
}

// keyPath returns the path of the key under one of Transit's endpoints.
func (c *Client) keyPath(endpoint string) string {
	return c.cfg.Mount + "/" + endpoint + "/" + c.cfg.Key
}

// requestAuth makes one request about the login itself.
func (c *Client) requestAuth(ctx context.Context, op operation, token, method, path string, body any) (answer, error) {
	// What the answer says about the token is the answer, never a Refusal.
	return c.request(ctx, c.login, op, token, method, path, body, false)
}

// requestKey makes one request about the key with the current token. Where Vault
// does not accept that one, it logs in again and repeats the request.
func (c *Client) requestKey(ctx context.Context, op operation, method, path string, body any) (answer, error) {
	if !c.gate.enter() {
		return answer{}, unanswered(c.describe(op), errClosed)
	}
	defer c.gate.leave()
	// Close waits for attempts at every node, whatever time the caller has left.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	started := time.Now()
	s, err := c.tokens.get(ctx)
	// A second new login is for the rare token that is gone again at once, or
	// that another node of the cluster has not heard of yet.
	for tries := 3; err == nil; tries-- {
		a, refused := c.request(ctx, c.vault, op, s.token, method, path, body, s.freshSince(started))
		if refused == nil || backend.ClassOf(refused) != backend.Credentials || tries == 1 {
			return a, refused
		}
		s, err = c.tokens.replace(ctx, s)
	}
	return answer{}, c.duringLogin(op, err)
}

// request makes one request, at whichever node serves it, and classifies its
// answer.
func (c *Client) request(ctx context.Context, ch channel, op operation, token, method, path string, body any, loginGood bool) (answer, error) {
	q := query{op: op, token: token, method: method, path: path}
	if body != nil {
		var err error
		if q.body, err = json.Marshal(body); err != nil {
			return answer{}, fmt.Errorf("%s: encode the request: %w", c.describe(op), err)
		}
	}
	if !op.isAuth() {
		q.uids = uidsOf(ctx)
	}
	started := time.Now()
	a, err := c.askCurrent(ctx, ch, q)

	var failure *backend.Error
	if err != nil {
		failure = unanswered(c.describe(op), err)
	} else if class, reason := classify(op, a, loginGood); class != 0 {
		sent, _ := body.(map[string]string) // the form of logins
		failure = &backend.Error{Class: class, Op: c.describe(op), Reason: reason, Err: a.cause(sent)}
	}
	if failure == nil {
		c.obs.Request(string(op), 0, time.Since(started))
		return a, nil
	}
	c.obs.Request(string(op), failure.Class, time.Since(started))
	return answer{}, failure
}

// askCurrent asks until a node has caught up with what it was asked for.
func (c *Client) askCurrent(ctx context.Context, ch channel, q query) (answer, error) {
	for tries := 1; ; tries++ {
		a, err := c.nodes.ask(ctx, q.op, func(ctx context.Context, node *url.URL) (answer, error) {
			sent := c.boot()
			a, err := ch.send(ctx, node, q)
			a.clock.Sent, a.clock.Received = sent, c.boot()
			return a, err
		})
		if err != nil || a.status != http.StatusPreconditionFailed {
			return a, err
		}
		if tries == catchUpTries {
			c.indexes.forget()
			return a, nil
		}
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			return a, nil
		}
	}
}

// duringLogin says which request could not be made because of the login.
func (c *Client) duringLogin(op operation, err error) error {
	if e, ok := errors.AsType[*backend.Error](err); ok {
		return &backend.Error{Class: e.Class, Op: c.describe(op), Reason: e.Reason, Err: e}
	}
	return err
}
