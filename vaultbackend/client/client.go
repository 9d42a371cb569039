package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

const (
	// closeTimeout bounds Close, which must not wait for a Vault that hangs.
	closeTimeout = time.Second
	// A node that has not caught up is asked again after this pause, and this often
	// at most: usually it lags by less than that.
	catchUpPause = 100 * time.Millisecond
	catchUpTries = 5
	// tokenTries bounds the tokens that one request is made with.
	tokenTries = 3
)

// Observer is told what happens between this process and Vault. Its methods
// are called from many goroutines and must return at once.
type Observer interface {
	// Request reports one request, at however many nodes it was tried: its
	// operation (one of login, lookup, renew, lookup_wrapping, unwrap, revoke, or
	// that of the Request), the class of its failure or 0, and how long it took.
	Request(op string, class backend.Class, d time.Duration)
	// Token reports a token that was just obtained or renewed. A zero expires
	// means that it does not expire.
	Token(expires time.Time, renewable bool)
	// SelfLookup reports whether the token of a login may look itself up. Where it
	// may not, a refused request cannot be told from a refused token.
	SelfLookup(allowed bool)
}

type noObserver struct{}

func (noObserver) Request(string, backend.Class, time.Duration) {}
func (noObserver) Token(time.Time, bool)                        {}
func (noObserver) SelfLookup(bool)                              {}

// Client makes requests in one namespace of Vault, behind one login. It is safe
// for concurrent use.
type Client struct {
	cfg        Config
	log        *slog.Logger
	boot       func() time.Duration
	obs        Observer
	transports []*http.Transport
	nodes      *nodes
	indexes    *indexes
	vault      connections
	tokens     *tokenManager
	active     drainGroup
	// life is that of every request and goroutine; end ends it.
	life context.Context
	end  context.CancelFunc
}

// New prepares a client and makes no request: it succeeds while Vault is away,
// and before the files with the credentials exist. boot returns the time since
// boot, suspended time included. A nil obs observes nothing. Close it at the end.
func New(cfg Config, log *slog.Logger, boot func() time.Duration, obs Observer) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.Canonical()
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
	indexes := &indexes{}
	vault, err := newConnections(nodes, exchange{kept: transport, fresh: once}, indexes)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, log: log, boot: boot, obs: obs, life: life, end: end, vault: vault,
		transports: []*http.Transport{transport, once}, nodes: nodes, indexes: indexes,
	}
	c.tokens = newTokenManager(life, newAuthenticator(cfg, c.requestAuth, log), renewSelf(c.requestAuth), log, obs)
	c.tokens.revoke, c.tokens.lookUp = c.revoke, c.lookUp
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
// logged in for it, and closes the connections. It takes about a second at most,
// whatever Vault does. Before Close the context of Run must have ended.
func (c *Client) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	drained := c.active.close()
	c.tokens.shut()
	select {
	case <-drained:
	case <-ctx.Done():
	}
	for _, s := range c.tokens.own() {
		c.revoke(ctx, s)
	}
	c.tokens.settle(ctx)
	c.end()
	c.tokens.finish()
	// The requests that were still under way end now. A node must not be asked any
	// more once nodes.close has waited for its attempts.
	select {
	case <-drained:
	case <-time.After(closeTimeout):
	}
	c.nodes.close()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

// LogIn logs in unless there is a token already.
func (c *Client) LogIn(ctx context.Context) error {
	_, err := c.tokens.get(ctx)
	return err
}

// LookUpSelf has the token look itself up, logging in if there is none.
func (c *Client) LookUpSelf(ctx context.Context) error {
	s, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	return c.lookUp(ctx, s.token)
}

// Do makes one request with the current token. Where Vault does not accept the
// token, it logs in again and repeats the request. A node that is slow to answer is
// not waited for alone: Vault may get the request twice, so it must be one that can be
// repeated. Its errors are *backend.Error, but for a body that cannot be encoded.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	if !c.active.enter() {
		return Answer{}, Unanswered(r.What, ErrClosed)
	}
	defer c.active.leave()
	// Close waits for attempts at every node, whatever time the caller has left.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	s, err := c.tokens.acquire(ctx)
	for tries := tokenTries; err == nil; tries-- {
		a, failure := c.request(ctx, r, c.cfg.Namespace, s.token)
		c.tokens.release(s, accepts(failure))
		if failure == nil || backend.ClassOf(failure) != backend.Credentials || tries == 1 {
			return a, failure
		}
		s, err = c.tokens.refused(ctx, s, failure)
	}
	// The login has failed: say which request that was for.
	if e, ok := errors.AsType[*backend.Error](err); ok && e.Op != r.What {
		err = &backend.Error{Class: e.Class, Op: r.What, Reason: e.Reason, Err: e}
	}
	return Answer{}, err
}

// accepts reports whether Vault has shown that it accepts the token.
func accepts(failure error) bool {
	class := backend.ClassOf(failure)
	return failure == nil || class != backend.Outage && class != backend.Credentials
}

// requestAuth makes one request about the login itself. It is never confirmed:
// what the answer says about the token is all there is to know.
func (c *Client) requestAuth(ctx context.Context, op Operation, token, method, path string, body any) (Answer, error) {
	r := Request{Op: op, What: c.cfg.Auth.describe(op), Method: method, Path: path, Body: body}
	return c.request(c.forLogin(ctx), r, c.cfg.LoginNamespace(), token)
}

// forLogin returns the context of requests about the login. With MethodCert Vault
// looks at the certificate of the connection: an old connection would go on showing
// the certificate from before its replacement.
func (c *Client) forLogin(ctx context.Context) context.Context {
	if c.cfg.Auth.Method == MethodCert {
		return backend.WithNewConnection(ctx)
	}
	return ctx
}

// revoke ends a token that is not used any more. If that fails, the token lives
// until it expires.
func (c *Client) revoke(ctx context.Context, s *session) {
	if _, err := c.requestAuth(ctx, opRevoke, s.token, http.MethodPut, PathRevokeSelf, struct{}{}); err != nil {
		c.log.Info("the Vault token was not revoked and ends by itself", "expires", s.expires, "error", err)
		return
	}
	c.log.Info("revoked the Vault token")
}

// lookUp has a token look itself up.
func (c *Client) lookUp(ctx context.Context, token string) error {
	_, err := c.requestAuth(ctx, opLookup, token, http.MethodGet, PathLookupSelf, nil)
	return err
}

// request makes one request, at whichever node serves it, and classifies its
// answer.
func (c *Client) request(ctx context.Context, r Request, namespace, token string) (Answer, error) {
	q, err := newQuery(r, namespace, token)
	if err != nil {
		return Answer{}, err
	}
	started := time.Now()
	got := c.askCurrent(ctx, q)
	var failure *backend.Error
	if got.err != nil {
		failure = Unanswered(r.What, got.err)
	} else if got.meaning.Class != 0 {
		sent, _ := r.Body.(map[string]string) // the form of logins
		failure = got.meaning.Failure(r.What, got.answer.cause(sent))
	}
	if failure == nil {
		c.obs.Request(string(r.Op), 0, time.Since(started))
		return got.answer, nil
	}
	c.obs.Request(string(r.Op), failure.Class, time.Since(started))
	return Answer{}, failure
}

// askCurrent asks until a node has caught up with what it was asked for. A 412 that is
// not in Vault's format (a proxy's) is not that: it is an outage, and not repeated here.
func (c *Client) askCurrent(ctx context.Context, q query) reply {
	for tries := 1; ; tries++ {
		r := c.nodes.ask(ctx, q, func(ctx context.Context, node *url.URL) reply { return c.askNode(ctx, node, q) })
		if r.err != nil || !errors.Is(r.meaning.Mark, errBehind) {
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

// askNode asks one node. Where its answer alone does not tell a refused request
// from a refused token, it asks the same node about the token.
func (c *Client) askNode(ctx context.Context, node *url.URL, q query) reply {
	sent := c.boot()
	a, err := c.vault.send(ctx, node, q)
	if err != nil {
		return reply{err: err}
	}
	a.Clock.Sent, a.Clock.Received = sent, c.boot()
	a = c.nodes.resolve(a)
	m := classify(q, a)
	if errors.Is(m.Mark, errUnproven) {
		started := time.Now()
		lookup := query{Request: Request{Op: opLookup, Method: http.MethodGet, Path: PathLookupSelf}, namespace: c.cfg.LoginNamespace(), token: q.token}
		m = proven(c.vault.send(c.forLogin(ctx), node, lookup))
		class := m.Class
		if class == backend.Refusal {
			class = 0 // the refusal is the request's; the look-up succeeded
		}
		c.obs.Request(string(opLookup), class, time.Since(started))
	}
	return reply{answer: a, meaning: m}
}
