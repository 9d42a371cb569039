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
	once := transport.Clone()
	once.DisableKeepAlives = true
	ways := exchange{kept: transport, fresh: once}
	forLogin := ways
	if cfg.Auth.Method == MethodCert {
		// Vault looks at the certificate of the connection. One that was made
		// before the certificate was replaced would go on showing the old one.
		forLogin.kept = once
	}
	indexes := &indexes{}
	vault, err := newChannel(nodes, cfg.Namespace, ways, indexes)
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
		transports: []*http.Transport{transport, once}, nodes: nodes, indexes: indexes,
	}
	c.tokens = newKeeper(life, newAuthenticator(cfg, c.requestAuth, log), renewSelf(c.requestAuth), log, obs)
	c.tokens.revoke, c.tokens.lookUp = c.revoke, c.lookUp
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
	for _, s := range c.tokens.own() {
		c.revoke(ctx, s)
	}
	c.tokens.settle(ctx)
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
	if _, err := c.requestAuth(ctx, opRevoke, s.token, http.MethodPut, pathRevokeSelf, struct{}{}); err != nil {
		c.log.Info("the Vault token was not revoked and ends by itself", "expires", s.expires, "error", err)
		return
	}
	c.log.Info("revoked the Vault token")
}

// lookUp has a token look itself up.
func (c *Client) lookUp(ctx context.Context, token string) error {
	_, err := c.requestAuth(ctx, opLookup, token, http.MethodGet, pathLookupSelf, nil)
	return err
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
	return c.request(ctx, c.login, op, token, method, path, body)
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
	s, err := c.tokens.acquire(ctx)
	for tries := 3; err == nil; tries-- {
		a, failure := c.request(ctx, c.vault, op, s.token, method, path, body)
		c.tokens.release(s, accepts(failure))
		if failure == nil || backend.ClassOf(failure) != backend.Credentials || tries == 1 {
			return a, failure
		}
		s, err = c.tokens.refused(ctx, s, failure)
	}
	return answer{}, c.duringLogin(op, err)
}

// accepts reports whether Vault has shown that it accepts the token.
func accepts(failure error) bool {
	class := backend.ClassOf(failure)
	return failure == nil || class != backend.Outage && class != backend.Credentials
}

// request makes one request, at whichever node serves it, and classifies its
// answer.
func (c *Client) request(ctx context.Context, ch channel, op operation, token, method, path string, body any) (answer, error) {
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
	r := c.askCurrent(ctx, ch, q)

	var failure *backend.Error
	if r.err != nil {
		failure = unanswered(c.describe(op), r.err)
	} else if r.meaning.class != 0 {
		sent, _ := body.(map[string]string) // the form of logins
		failure = r.meaning.failure(c.describe(op), r.answer.cause(sent))
	}
	if failure == nil {
		c.obs.Request(string(op), 0, time.Since(started))
		return r.answer, nil
	}
	c.obs.Request(string(op), failure.Class, time.Since(started))
	return answer{}, failure
}

// askCurrent asks until a node has caught up with what it was asked for.
func (c *Client) askCurrent(ctx context.Context, ch channel, q query) reply {
	for tries := 1; ; tries++ {
		r := c.nodes.ask(ctx, q.op, func(ctx context.Context, node *url.URL) reply { return c.askNode(ctx, ch, node, q) })
		if r.err != nil || r.answer.status != http.StatusPreconditionFailed {
			return r
		}
		if tries == catchUpTries {
			c.indexes.forget()
			return r
		}
		select {
		case <-time.After(catchUpPause):
		case <-ctx.Done():
			return r
		}
	}
}

// askNode asks one node, and the same one again where its answer alone does not
// tell a key that is refused from a token that is.
func (c *Client) askNode(ctx context.Context, ch channel, node *url.URL, q query) reply {
	sent := c.boot()
	a, err := ch.send(ctx, node, q)
	if err != nil {
		return reply{err: err}
	}
	a.clock.Sent, a.clock.Received = sent, c.boot()
	a = c.nodes.resolve(a)
	m := classify(q.op, a)
	if errors.Is(m.mark, errUnproven) {
		started := time.Now()
		m = proven(c.login.send(ctx, node, query{op: opLookup, token: q.token, method: http.MethodGet, path: pathLookupSelf}))
		class := m.class
		if class == backend.Refusal {
			class = 0 // of the key; the look-up succeeded
		}
		c.obs.Request(string(opLookup), class, time.Since(started))
	}
	return reply{answer: a, meaning: m}
}

// duringLogin says which request could not be made because of the login.
func (c *Client) duringLogin(op operation, err error) error {
	if e, ok := errors.AsType[*backend.Error](err); ok && e.Op != c.describe(op) {
		return &backend.Error{Class: e.Class, Op: c.describe(op), Reason: e.Reason, Err: e}
	}
	return err
}
