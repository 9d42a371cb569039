package vaultbackend

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Client is one Transit key, behind one login. It is safe for concurrent use.
type Client struct {
	cfg       Config
	boot      func() time.Duration
	obs       Observer
	transport *http.Transport
	vault     *api.Client // in the key's namespace
	login     *api.Client // in the auth method's namespace
	tokens    *keeper
	decrypts  *gatherer
	// end ends every request and goroutine that belongs to no caller.
	end context.CancelFunc
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
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	vault, err := newVault(cfg.Address, cfg.Namespace, transport)
	if err != nil {
		return nil, err
	}
	login, err := newVault(cfg.Address, cfg.Auth.Namespace, transport)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	c := &Client{cfg: cfg, boot: boot, obs: obs, transport: transport, vault: vault, login: login, end: end}
	c.tokens = newKeeper(life, newAuthenticator(cfg.Auth, c.requestAuth), renewSelf(c.requestAuth), log, obs)
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

// Close ends all requests, waits for what runs in the background, and closes
// the connections. Run is to be ended by its context.
func (c *Client) Close() {
	c.end()
	c.tokens.close()
	c.decrypts.close()
	c.transport.CloseIdleConnections()
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

// request makes one request and classifies its answer.
func (c *Client) request(ctx context.Context, vault *api.Client, op operation, token, method, path string, body any, loginGood bool) (answer, error) {
	started := time.Now()
	sent := c.boot()
	a, err := send(ctx, vault, token, method, path, body)
	a.clock.Sent, a.clock.Received = sent, c.boot()

	var failure *backend.Error
	if err != nil {
		failure = unanswered(c.describe(op), err)
	} else if class, reason := classify(op, a, loginGood); class != 0 {
		failure = &backend.Error{Class: class, Op: c.describe(op), Reason: reason, Err: a.cause()}
	}
	if failure == nil {
		c.obs.Request(string(op), 0, time.Since(started))
		return a, nil
	}
	c.obs.Request(string(op), failure.Class, time.Since(started))
	return answer{}, failure
}

// duringLogin says which request could not be made because of the login.
func (c *Client) duringLogin(op operation, err error) error {
	if e, ok := errors.AsType[*backend.Error](err); ok {
		return &backend.Error{Class: e.Class, Op: c.describe(op), Reason: e.Reason, Err: e}
	}
	return err
}
