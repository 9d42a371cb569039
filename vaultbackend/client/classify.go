package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// This file alone judges HTTP statuses and Vault's words.

// Answer is what came back over HTTP.
type Answer struct {
	Status int
	// Errors are Vault's own error messages.
	Errors []string
	// Data is the "data" object; nil where absent. It may hold secrets: clear it
	// after use.
	Data json.RawMessage
	// Clock is the server's clock, as its Date header names it.
	Clock backend.ClockReading

	auth json.RawMessage // the "auth" object; nil where absent
	// foreign is set when the answer is not in Vault's form: a proxy, a load
	// balancer or a captive portal wrote it.
	foreign bool
	// elsewhere is where a redirect leads to, nil for none; elsewhereKnown is set
	// where that is a configured address.
	elsewhere      *url.URL
	elsewhereKnown bool
}

// parseAnswer reads the answer of the node at a URL; nil if unknown.
func parseAnswer(status int, header http.Header, raw []byte, at *url.URL) Answer {
	a := Answer{Status: status}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		a.Clock.Server = date
	}
	if to := header.Get("Location"); a.redirects() && to != "" && at != nil {
		a.elsewhere, _ = at.Parse(to) // one that cannot be parsed leads nowhere
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
	a.Data, a.auth = body.Data, body.Auth
	if body.Errors != nil {
		a.Errors = *body.Errors
	}
	a.foreign = body.Errors == nil && body.Data == nil && body.Auth == nil
	return a
}

func (a Answer) redirects() bool { return a.Status >= 300 && a.Status < 400 }

// Meaning is what an answer says about what was asked for.
type Meaning struct {
	Class  backend.Class // 0: the request succeeded, and its answer is to be read
	Reason string        // approved text, safe to show to any caller
	// Mark tells this meaning from others of its class, by errors.Is; nil for none.
	Mark error
}

var (
	// ErrUnclear marks a refused request whose reason is not known.
	ErrUnclear = errors.New("not understood")
	// errUnproven: a refusal that may as well mean that the token is not accepted.
	errUnproven = errors.New("the token is not known to be accepted")
	// errTokenGone: Vault says that it does not know the token.
	errTokenGone = errors.New("the token is not valid")
	// errUnknownLogin: Vault says that it does not know the role-id or the secret-id.
	errUnknownLogin = errors.New("the credentials are not known")
	// errLimited: a rate limit. Asking another node would only evade it.
	errLimited = errors.New("rate limit")
	// errBehind: the node has not caught up with what others have answered.
	errBehind = errors.New("not caught up")
)

// Failure returns m as the error of what was being done. cause is for logs.
func (m Meaning) Failure(what string, cause error) *backend.Error {
	if m.Mark != nil {
		cause = marked{cause, m.Mark}
	}
	return &backend.Error{Class: m.Class, Op: what, Reason: m.Reason, Err: cause}
}

// marked is an error that errors.Is finds mark in as well. Its text stays the same.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

const (
	// deniedReason is also the answer to encrypting with a deleted key under a
	// policy of update without create: to Vault that would create the key.
	deniedReason = "Vault's policy denies this, or the key was deleted"
	goneReason   = "Vault does not accept the token"
	// blindReason covers what Vault and OpenBao answer alike.
	blindReason = "Vault denies this, and the token's look-up of itself: the token has ended, is not valid from this address, or its policy lacks auth/token/lookup-self"
)

// classify says what the answer to q means.
//
// Everything not understood is an Outage, the class that destroys nothing, and no
// status of 500 or more is a refusal. A refusal marked errUnproven becomes one
// only by proven.
func classify(q query, a Answer) Meaning {
	text := strings.Join(a.Errors, "\n")
	says := func(words string) bool { return strings.Contains(text, words) }
	outage := func(mark error, format string, args ...any) Meaning {
		return Meaning{Class: backend.Outage, Reason: fmt.Sprintf(format, args...), Mark: mark}
	}

	switch {
	case a.elsewhere != nil && !a.elsewhereKnown:
		return outage(nil, "Vault redirects to an address that is not configured")
	case a.redirects():
		// A standby that cannot reach an active node, or that names one which
		// gave no answer either.
		return outage(nil, "Vault has no active node")
	case a.foreign:
		return outage(nil, "something other than Vault answered with HTTP status %d", a.Status)
	}
	if q.Judge != nil {
		if m, decided := q.Judge(a); decided {
			return m
		}
	}
	switch {
	case a.Status >= 200 && a.Status < 300:
		return Meaning{}

	case q.Op == opRenew && neverRenewed(says):
		// Vault says so with a 500. The token ends soon, and only a login helps.
		return Meaning{Class: backend.Credentials, Reason: authRefused(q.Op)}
	case a.Status == http.StatusServiceUnavailable && says("sealed"):
		return outage(nil, "Vault is sealed")
	case a.Status >= 500 && says("active cluster node not found"):
		return outage(nil, "Vault has no active node")
	case a.Status >= 500:
		return outage(nil, "Vault failed with HTTP status %d", a.Status)
	case a.Status == http.StatusPreconditionFailed:
		return outage(errBehind, "this Vault node has not caught up with the others yet")
	case a.Status == http.StatusTooManyRequests:
		return outage(errLimited, "Vault limits the rate of requests")
	case says("replication DR secondary mode"):
		// With status 400, which from an auth method means a wrong secret-id.
		return outage(nil, "this Vault node is a standby that serves no requests")
	case says("no handler for route") || says("unsupported path"):
		if q.Op.isAuth() {
			return outage(nil, "Vault has no auth method at this path")
		}
		return outage(nil, "Vault has no secrets engine at this path")

	case q.Op.isAuth() && (a.Status == http.StatusBadRequest || a.Status == http.StatusForbidden):
		// An expired secret-id is a 400, a role without rights a 403.
		m := Meaning{Class: backend.Credentials, Reason: authRefused(q.Op)}
		switch {
		case says("invalid token"):
			m.Mark = errTokenGone
		case says("invalid role or secret ID"):
			m.Mark = errUnknownLogin
		}
		return m

	case a.Status == http.StatusForbidden && !says("permission denied"):
		// Vault's own 403 always says so. A firewall's does not.
		return outage(nil, "something other than Vault answered with HTTP status 403")
	case a.Status == http.StatusForbidden && says("invalid token"):
		return Meaning{Class: backend.Credentials, Reason: goneReason, Mark: errTokenGone}
	case a.Status == http.StatusForbidden && q.Confirm:
		return Meaning{Class: backend.Refusal, Reason: deniedReason, Mark: errUnproven}
	case a.Status == http.StatusForbidden:
		return Meaning{Class: backend.Refusal, Reason: deniedReason}
	case a.Status == http.StatusNotFound && q.Missing != "" && len(a.Errors) == 0:
		return Meaning{Class: backend.Refusal, Reason: q.Missing}

	case a.Status == http.StatusBadRequest:
		return outage(ErrUnclear, "Vault gave an answer that is not understood, HTTP status %d", a.Status)
	default:
		return outage(nil, "Vault gave an answer that is not understood, HTTP status %d", a.Status)
	}
}

// proven says what a 403 means, once the node that gave it was asked whether the
// token looks itself up: only the holder of a token that is accepted can be
// refused anything. A wrong address, a token that was revoked and a policy without
// that right look alike.
func proven(lookup Answer, err error) Meaning {
	m := Meaning{Class: backend.Outage, Reason: "Vault denies this, and does not say whether it accepts the token"}
	if err != nil {
		return m
	}
	switch said := classify(query{Request: Request{Op: opLookup}}, lookup); {
	case said.Class == 0:
		return Meaning{Class: backend.Refusal, Reason: deniedReason}
	case errors.Is(said.Mark, errTokenGone):
		return Meaning{Class: backend.Credentials, Reason: goneReason, Mark: errTokenGone}
	case said.Class == backend.Credentials:
		return Meaning{Class: backend.Credentials, Reason: blindReason}
	}
	return m
}

// neverRenewed recognises Vault's words for a token that it will not renew,
// whatever its own state: the token's life is over, or the credentials of its login
// have changed.
func neverRenewed(says func(string) bool) bool {
	return says("past the max TTL") ||
		says("does not exist during renewal") || // the role, with approle, jwt and kubernetes
		says("client identity during renewal not matching") || // cert
		says("not renewing") // cert: policies have changed; a token's role that is gone
}

func authRefused(op Operation) string {
	switch op {
	case opLookup:
		return "Vault does not accept the token, or it may not look itself up"
	case opRenew:
		return "Vault does not renew the token"
	case opRevoke:
		return "Vault does not revoke the token"
	case opOrigin, opUnwrap:
		// Vault has one answer to both.
		return "the wrapping token was already used, or has expired"
	default:
		return "Vault refuses the login"
	}
}

// answerError is what Vault said, in its own words.
type answerError struct {
	status int
	text   string
}

func (e *answerError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("HTTP status %d", e.status)
	}
	return fmt.Sprintf("HTTP status %d: %s", e.status, e.text)
}

// cause turns an answer into an error for logs. It holds Vault's own words, and
// nothing of a body that Vault did not write. Credentials that were sent are taken
// out of those words, since Vault may repeat them: AppRole quotes a secret-id whose
// last use another login has had meanwhile.
func (a Answer) cause(sent map[string]string) error {
	if a.foreign {
		return &answerError{status: a.Status}
	}
	text := strings.Join(a.Errors, "; ")
	for _, field := range []string{"secret_id", "jwt", "token"} {
		if secret := sent[field]; secret != "" {
			quoted := strconv.Quote(secret)
			text = strings.NewReplacer(secret, "(left out)", quoted[1:len(quoted)-1], "(left out)").Replace(text)
		}
	}
	return &answerError{status: a.Status, text: OneLine(text)}
}

// OneLine makes Vault's error text, which may have several lines, fit into a log
// line of at most 300 bytes.
func OneLine(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}
