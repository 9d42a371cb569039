package vaultbackend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// meaning is what an answer says about the key that was asked for, or what
// Transit's word on one item of it does. This file alone knows Vault's words.
type meaning struct {
	class  backend.Class // 0: the answer is to be read further
	reason string        // approved text, safe to show to any caller
	// mark tells it from others of its class; nil if nobody has to.
	mark error
}

// Marks. backend.ErrAuthentication is one as well.
var (
	// errUnproven: a refusal that may as well mean that the token is no good.
	errUnproven = errors.New("the token is not known to be good")
	// errTokenGone: Vault says in so many words that it does not know the token.
	errTokenGone = errors.New("the token is not valid")
	// errUnclear: words of Transit's that are not known.
	errUnclear = errors.New("not understood")
	// errLimited: a rate limit. Asking elsewhere would only evade it.
	errLimited = errors.New("rate limit")
)

// failure is m as the error of what was being done. cause is for logs.
func (m meaning) failure(op string, cause error) *backend.Error {
	if m.mark != nil {
		cause = marked{cause, m.mark}
	}
	return &backend.Error{Class: m.class, Op: op, Reason: m.reason, Err: cause}
}

// marked is an error that errors.Is takes for mark too, and that reads as before.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

const (
	// deniedReason is also what a policy of update without create gets for
	// encrypting with a key that was deleted: to Vault that would be its creation.
	deniedReason = "Vault's policy denies this, or the key was deleted"
	goneReason   = "Vault does not accept the token"
	// blindReason covers what Vault and OpenBao answer alike.
	blindReason = "Vault denies this, and the token's look-up of itself: the token has ended, is not valid from this address, or its policy lacks auth/token/lookup-self"
	wordsDR     = "replication DR secondary mode"
	wordsForged = "message authentication failed"
)

// classify says what an answer means. Its class is 0 where the answer is to be
// read further: it succeeded, or it has a result for each item.
//
// Everything not understood is an Outage, the class that destroys nothing, and no
// status of 500 or more is a refusal. A refusal marked errUnproven becomes one
// only by proven.
func classify(op operation, a answer) meaning {
	text := strings.Join(a.texts, "\n")
	says := func(words string) bool { return strings.Contains(text, words) }
	outage := func(format string, args ...any) meaning {
		return meaning{class: backend.Outage, reason: fmt.Sprintf(format, args...)}
	}

	switch {
	case a.elsewhere != nil && !a.elsewhereKnown:
		return outage("Vault redirects to an address that is not configured")
	case a.status >= 300 && a.status < 400:
		// A standby that cannot reach an active node, or that names one which
		// gave no answer either.
		return outage("Vault has no active node")
	case a.foreign:
		return outage("something other than Vault answered with HTTP status %d", a.status)
	case op.isBatch() && a.data != nil:
		// Whatever the status: where every item failed, it is 400 or 500 and
		// partial_failure_response_code has no effect.
		return classifyItems(op, a)
	case a.status >= 200 && a.status < 300:
		return meaning{}
	case op.isBatch() && says(wordsForged):
		return classifyItem(op, a.status, text)

	case op == opRenew && neverRenewed(says):
		// Vault says so with a 500. The token ends soon, and only a login helps.
		return meaning{class: backend.Credentials, reason: authRefused(op)}
	case a.status == http.StatusServiceUnavailable && says("sealed"):
		return outage("Vault is sealed")
	case a.status >= 500 && says("active cluster node not found"):
		return outage("Vault has no active node")
	case a.status >= 500:
		return outage("Vault failed with HTTP status %d", a.status)
	case a.status == http.StatusPreconditionFailed:
		return outage("this Vault node has not caught up with the others yet")
	case a.status == http.StatusTooManyRequests:
		return meaning{class: backend.Outage, reason: "Vault limits the rate of requests", mark: errLimited}
	case says(wordsDR):
		// With status 400, which from an auth method means a wrong secret-id.
		return outage("this Vault node is a standby that serves no requests")
	case says("no handler for route") || says("unsupported path"):
		if op.isAuth() {
			return outage("Vault has no auth method at this path")
		}
		return outage("Vault has no Transit engine at this path")

	case op.isAuth() && (a.status == http.StatusBadRequest || a.status == http.StatusForbidden):
		// An expired secret-id is a 400, a role without rights a 403.
		m := meaning{class: backend.Credentials, reason: authRefused(op)}
		if says("invalid token") {
			m.mark = errTokenGone
		}
		return m

	case a.status == http.StatusForbidden && !says("permission denied"):
		// Vault's own 403 always says so. A firewall's does not.
		return outage("something other than Vault answered with HTTP status 403")
	case a.status == http.StatusForbidden && says("invalid token"):
		return meaning{class: backend.Credentials, reason: goneReason, mark: errTokenGone}
	case a.status == http.StatusForbidden && op.isAboutKey():
		return meaning{class: backend.Refusal, reason: deniedReason, mark: errUnproven}
	case a.status == http.StatusForbidden:
		return meaning{class: backend.Refusal, reason: deniedReason}
	case a.status == http.StatusNotFound && op == opReadKey && len(a.texts) == 0:
		return meaning{class: backend.Refusal, reason: "encryption key not found"}

	case a.status == http.StatusBadRequest && op.isBatch():
		if m := classifyItem(op, a.status, text); !errors.Is(m.mark, errUnclear) {
			return m
		}
		m := outage("Vault gave an answer that is not understood, HTTP status %d", a.status)
		m.mark = errUnclear
		return m
	default:
		return outage("Vault gave an answer that is not understood, HTTP status %d", a.status)
	}
}

// proven says what a 403 for the key means, once the node that gave it was asked
// whether the token looks itself up: only the holder of a token that stands is
// refused the key. A wrong address, a token that was revoked and a policy without
// that right look alike.
func proven(lookup answer, err error) meaning {
	m := meaning{class: backend.Outage, reason: "Vault denies this, and does not say whether it accepts the token"}
	if err != nil {
		return m
	}
	switch said := classify(opLookup, lookup); {
	case said.class == 0:
		return meaning{class: backend.Refusal, reason: deniedReason}
	case errors.Is(said.mark, errTokenGone):
		return meaning{class: backend.Credentials, reason: goneReason, mark: errTokenGone}
	case said.class == backend.Credentials:
		return meaning{class: backend.Credentials, reason: blindReason}
	}
	return m
}

// neverRenewed recognises Vault's words for a token that it will not renew,
// whatever its own state: its life is over, or what it was bought with has changed.
func neverRenewed(says func(string) bool) bool {
	return says("past the max TTL") ||
		says("does not exist during renewal") || // the role, with approle, jwt and kubernetes
		says("client identity during renewal not matching") || // cert
		says("not renewing") // cert: policies have changed; a token's role that is gone
}

func authRefused(op operation) string {
	switch op {
	case opLookup:
		return "Vault does not accept the token, or it may not look itself up"
	case opRenew:
		return "Vault does not renew the token"
	case opRevoke:
		return "Vault does not revoke the token"
	case opOrigin, opUnwrap:
		// Vault has one answer to both.
		return "the wrapping token was used by somebody else, or has expired"
	default:
		return "Vault refuses the login"
	}
}

// classifyItems says what the errors of a batch's items mean for all of it: the
// key is refused (OpenBao refuses a soft-deleted key item by item), or this node
// serves nobody. All else is for the items themselves.
func classifyItems(op operation, a answer) meaning {
	if !bytes.Contains(a.data, []byte(`"error"`)) { // the rest is base64 and numbers
		return meaning{}
	}
	var data struct {
		Results []struct {
			Error string `json:"error"`
		} `json:"batch_results"`
	}
	_ = json.Unmarshal(a.data, &data) // else parseBatch will say what is wrong
	var whole meaning
	outages := 0
	for _, r := range data.Results {
		if r.Error == "" {
			continue
		}
		switch m := classifyItem(op, a.status, r.Error); m.class {
		case backend.Refusal:
			return m
		case backend.Outage:
			whole = m
			outages++
		}
	}
	if outages < len(data.Results) {
		return meaning{}
	}
	return whole
}

// classifyItem says what Transit's error text for one item means. Words that are
// not known prove nothing about anything but this item; they are marked errUnclear.
//
// VersionRefusal is kept for a version that Vault no longer decrypts with. A
// version below min_encryption_version is an Item's fault: it may not protect
// anything new, but what it protects is still open to this process, so nothing
// that is held for it may be destroyed.
func classifyItem(op operation, status int, text string) meaning {
	says := func(words string) bool { return strings.Contains(text, words) }
	item := func(reason string) meaning { return meaning{class: backend.Item, reason: reason} }
	switch {
	case says(wordsForged):
		// Whatever the status: Vaults before 1.21 say so with a 500.
		return meaning{
			class: backend.Item, mark: backend.ErrAuthentication,
			reason: "authentication failed: the ciphertext or its associated data was changed, or another key wrote it",
		}
	case status >= http.StatusInternalServerError:
		return meaning{class: backend.Outage, reason: fmt.Sprintf("Vault failed with HTTP status %d", status)}

	case says("encryption key not found"):
		return meaning{class: backend.Refusal, reason: "encryption key not found"}
	case says("soft-deleted key"): // OpenBao
		return meaning{class: backend.Refusal, reason: "the key is soft-deleted"}

	case says("disallowed by policy (too old)"), // decrypt
		// What hmac and encrypt say of a version that is no longer in the
		// keyring, because it is below min_decryption_version.
		says("no such key version"):
		return meaning{class: backend.VersionRefusal, reason: "this key version is below min_decryption_version"}

	case says("version is too old (disallowed by policy)"), // hmac
		says("less than the minimum encryption key version"): // encrypt
		return item("this key version is below min_encryption_version")
	case says("version is too new"), // decrypt
		says("higher than the latest key version"), // encrypt
		says("key version does not exist"):         // hmac
		return item("this key version does not exist yet")
	case says("invalid ciphertext"), says("missing ciphertext"):
		return item("malformed ciphertext")

	case says("no HMAC key exists"):
		return meaning{class: backend.Unsuitable, reason: "this key version was imported and has no HMAC key"}
	case says("not supported for key type"), says("non-AEAD cipher suite"):
		return meaning{class: backend.Unsuitable, reason: "a key of this type cannot serve"}

	case op == opDecrypt:
		return meaning{class: backend.Item, reason: "Vault cannot decrypt this ciphertext", mark: errUnclear}
	default:
		return meaning{class: backend.Item, reason: "Vault refuses this request", mark: errUnclear}
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
// nothing of a body that Vault did not write. Of those words it takes out the
// credentials that were sent, for Vault may repeat them: AppRole quotes a
// secret-id whose last use somebody else has had meanwhile.
func (a answer) cause(sent map[string]string) error {
	if a.foreign {
		return &answerError{status: a.status}
	}
	text := strings.Join(a.texts, "; ")
	for _, field := range []string{"secret_id", "jwt", "token"} {
		if secret := sent[field]; secret != "" {
			quoted := strconv.Quote(secret)
			text = strings.NewReplacer(secret, "(left out)", quoted[1:len(quoted)-1], "(left out)").Replace(text)
		}
	}
	return &answerError{status: a.status, text: oneLine(text)}
}

// oneLine makes Vault's multi-line lists of errors fit into a log line.
func oneLine(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}
