package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Request is one request to Vault, made with the token of the client's login.
type Request struct {
	// Op names it in metrics.
	Op Operation
	// What says what is done to what, for errors: "read transit/keys/k".
	What string
	// Method and Path of the request; the path counts from /v1/.
	Method, Path string
	// Body is sent as JSON; nil for none.
	Body any
	// Header is sent beside the client's own; nil for none.
	Header http.Header
	// Confirm is set for what this client is for. A refusal of it counts only once
	// the token is known to be accepted and the other addresses were asked. An
	// address that serves such a request is asked first from then on.
	Confirm bool
	// Missing is the reason of the refusal where Vault answers that there is nothing
	// at the path. Empty: such an answer is not understood.
	Missing string
	// Judge says what an answer in Vault's own form means, if it knows; nil where
	// the rules for all endpoints suffice.
	Judge func(Answer) (m Meaning, decided bool)
}

// query is a Request on its way to any node.
type query struct {
	Request
	namespace string // "" for the root namespace
	token     string // "" for none
	body      []byte // JSON, nil for none
}

func newQuery(r Request, namespace, token string) (query, error) {
	q := query{Request: r, namespace: namespace, token: token}
	if r.Body != nil {
		var err error
		if q.body, err = json.Marshal(r.Body); err != nil {
			return q, fmt.Errorf("%s: encode the request: %w", r.What, err)
		}
	}
	return q, nil
}

// Operation is what is asked of Vault, by its name in metrics.
type Operation string

// Requests about the login.
const (
	opLogin  Operation = "login"
	opLookup Operation = "lookup"
	opRenew  Operation = "renew"
	opOrigin Operation = "lookup_wrapping"
	opUnwrap Operation = "unwrap"
	opRevoke Operation = "revoke"
)

// What a token may ask about itself.
const (
	PathRenewSelf  = "auth/token/renew-self"
	PathLookupSelf = "auth/token/lookup-self"
	PathRevokeSelf = "auth/token/revoke-self"
)

// isAuth tells requests about the login from all others. A failure of the former
// says nothing about what the login is for.
func (op Operation) isAuth() bool {
	switch op {
	case opLogin, opLookup, opRenew, opOrigin, opUnwrap, opRevoke:
		return true
	default:
		return false
	}
}

// isOnce tells requests that must not be made twice: a wrapping token is good for
// one use, and a second one would look like theft.
func (op Operation) isOnce() bool { return op == opUnwrap || op == opRevoke }

// isCounted tells requests of which Vault may allow a number only, as logins
// with a secret-id. They are not made twice without need, and the refusal of one
// does not outweigh another that is under way.
func (op Operation) isCounted() bool { return op == opLogin }

// hedgeDelay is how long a node may keep a request waiting before the next one is
// asked as well; 0 for ever.
func (op Operation) hedgeDelay() time.Duration {
	switch {
	case op.isOnce():
		return 0
	case op.isCounted():
		return loginHedgeDelay
	default:
		return hedgeDelay
	}
}
