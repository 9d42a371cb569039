package vaultbackend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// operation is what was asked of Vault, by its name in metrics.
type operation string

const (
	opReadKey operation = "read_key"
	opHMAC    operation = "hmac"
	opEncrypt operation = "encrypt"
	opDecrypt operation = "decrypt"
	opLogin   operation = "login"
	opLookup  operation = "lookup"
	opRenew   operation = "renew"
	opOrigin  operation = "lookup_wrapping"
	opUnwrap  operation = "unwrap"
	opRevoke  operation = "revoke"
)

// Statuses of Vault's own.
const (
	statusDRStandby          = 472
	statusPerformanceStandby = 473
)

// isAuth tells requests about the login from requests about the key. Nothing
// that goes wrong with the former says anything about the key.
func (op operation) isAuth() bool {
	switch op {
	case opLogin, opLookup, opRenew, opOrigin, opUnwrap, opRevoke:
		return true
	default:
		return false
	}
}

// isOnce tells requests that must not be made twice: a wrapping token is good
// for one, and a second one would look like somebody else's theft.
func (op operation) isOnce() bool { return op == opUnwrap || op == opRevoke }

// isCounted tells requests of which Vault may allow a number only, as logins
// with a secret-id: they are not made twice without need, and of two the one that
// came too late must not speak for both.
func (op operation) isCounted() bool { return op == opLogin }

// patience is how long a node may keep a request waiting before the next one is
// asked as well; 0 for ever.
func (op operation) patience() time.Duration {
	switch {
	case op.isOnce():
		return 0
	case op.isCounted():
		return loginPatience
	default:
		return patience
	}
}

// classify says what an answer means for the keys that the plugin holds, and
// in which words to tell others. It returns 0 where the answer is to be read
// further: it succeeded, or it has a result for each item.
//
// loginGood says that the token came from a login that succeeded just now.
// Without it a 403 may as well mean that the token is gone, and must not be
// taken for a refusal of the key: that makes the plugin destroy what it holds.
// Everything not understood is an Outage, the class that destroys nothing.
func classify(op operation, a answer, loginGood bool) (backend.Class, string) {
	says := func(text string) bool {
		return strings.Contains(strings.Join(a.texts, "\n"), text)
	}
	isBatch := op == opHMAC || op == opEncrypt || op == opDecrypt

	switch {
	case a.elsewhere != nil && !a.elsewhereKnown:
		return backend.Outage, "Vault redirects to an address that is not configured"
	case a.status >= 300 && a.status < 400:
		// A standby that cannot reach an active node, or that names one which
		// gave no answer either.
		return backend.Outage, "Vault has no active node"
	case a.foreign:
		return backend.Outage, fmt.Sprintf("something other than Vault answered with HTTP status %d", a.status)
	case a.status >= 200 && a.status < 300:
		return 0, ""
	case isBatch && a.data != nil:
		// Where every item failed, partial_failure_response_code has no effect:
		// the status is 400 or 500, and the items' own errors say why.
		return 0, ""

	case op == opRenew && neverRenewed(says):
		// Vault says so with a 500. The token ends soon, and only a login helps.
		return backend.Credentials, authRefused(op)
	case a.status == http.StatusServiceUnavailable && says("sealed"):
		return backend.Outage, "Vault is sealed"
	case a.status >= 500 && says("active cluster node not found"):
		return backend.Outage, "Vault has no active node"
	case a.status >= 500:
		return backend.Outage, fmt.Sprintf("Vault failed with HTTP status %d", a.status)
	case a.status == http.StatusPreconditionFailed:
		return backend.Outage, "this Vault node has not caught up with the others yet"
	case a.status == http.StatusTooManyRequests:
		return backend.Outage, "Vault limits the rate of requests"
	case a.status == statusDRStandby || a.status == statusPerformanceStandby:
		return backend.Outage, "this Vault node is a standby that serves no requests"
	case says("no handler for route") || says("unsupported path"):
		if op.isAuth() {
			return backend.Outage, "Vault has no auth method at this path"
		}
		return backend.Outage, "Vault has no Transit engine at this path"

	case op.isAuth() && (a.status == http.StatusBadRequest || a.status == http.StatusForbidden):
		// An expired secret-id is a 400, a role without rights a 403.
		return backend.Credentials, authRefused(op)

	case a.status == http.StatusForbidden && !says("permission denied"):
		// Vault's own 403 always says so. A firewall's does not.
		return backend.Outage, "something other than Vault answered with HTTP status 403"
	case a.status == http.StatusForbidden && (!loginGood || says("invalid token")):
		return backend.Credentials, "Vault does not accept the token"
	case a.status == http.StatusForbidden:
		// Also what a policy of update without create gets for encrypting with a
		// key that was deleted: to Vault that would be its creation.
		return backend.Refusal, "Vault's policy denies this, or the key was deleted"
	case a.status == http.StatusNotFound && op == opReadKey && len(a.texts) == 0:
		return backend.Refusal, "encryption key not found"

	case a.status == http.StatusBadRequest && isBatch:
		return classifyItem(op, strings.Join(a.texts, "\n"))
	default:
		return backend.Outage, fmt.Sprintf("Vault gave an answer that is not understood, HTTP status %d", a.status)
	}
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

// classifyItem says what Transit's error text for one item means.
//
// VersionRefusal is kept for a version that Vault no longer decrypts with. A
// version below min_encryption_version is an Item's fault: it may not protect
// anything new, but what it protects is still open to this process, so nothing
// that is held for it may be destroyed.
func classifyItem(op operation, text string) (backend.Class, string) {
	says := func(s string) bool { return strings.Contains(text, s) }
	switch {
	case says("encryption key not found"):
		return backend.Refusal, "encryption key not found"

	case says("disallowed by policy (too old)"): // decrypt
		return backend.VersionRefusal, "this key version is below min_decryption_version"
	case says("no such key version"):
		// What hmac and encrypt say of a version that is no longer in the
		// keyring, because it is below min_decryption_version.
		return backend.VersionRefusal, "this key version is below min_decryption_version"

	case says("version is too old (disallowed by policy)"), // hmac
		says("less than the minimum encryption key version"): // encrypt
		return backend.Item, "this key version is below min_encryption_version"
	case says("version is too new"), // decrypt
		says("higher than the latest key version"), // encrypt
		says("key version does not exist"):         // hmac
		return backend.Item, "this key version does not exist yet"
	case says("message authentication failed"):
		return backend.Item, "authentication failed: the ciphertext or its associated data was changed, or another key wrote it"
	case says("invalid ciphertext"), says("missing ciphertext"):
		return backend.Item, "malformed ciphertext"

	case says("no HMAC key exists"):
		return backend.Unsuitable, "this key version was imported and has no HMAC key"
	case says("not supported for key type"), says("non-AEAD cipher suite"):
		return backend.Unsuitable, "a key of this type cannot serve"

	case op == opDecrypt:
		return backend.Item, "Vault cannot decrypt this ciphertext"
	default:
		return backend.Item, "Vault refuses this request"
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

var (
	errClosed = errors.New("the Vault client is closed")
	// errBroken is what is left to say of a request that panicked.
	errBroken = errors.New("the request broke off inside the plugin")
)

// unanswered classifies the failure to get any answer.
func unanswered(what string, err error) *backend.Error {
	return &backend.Error{Class: backend.Outage, Op: what, Reason: silenceReason(err), Err: err}
}

// silenceReason says why there is no answer, as far as that helps to end it.
func silenceReason(err error) string {
	timeout, isNet := errors.AsType[net.Error](err)
	_, isName := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isName: // before timeouts: a resolver that is silent is not Vault
		return "Vault's name cannot be resolved"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "no answer from Vault within the deadline"
	case errors.Is(err, errClosed):
		return errClosed.Error()
	case errors.Is(err, errBroken):
		return errBroken.Error()
	case errors.Is(err, context.Canceled):
		return "the request was given up"
	case errors.Is(err, errClientCert):
		return errClientCert.Error()
	case errors.Is(err, errAnswerTooLong):
		return errAnswerTooLong.Error()
	case isOp && op.Op == "remote error":
		// A TLS alert: most often the listener wants a client certificate.
		return "Vault refuses the TLS connection"
	}
	if reason := distrust(err); reason != "" {
		return reason
	}
	return "Vault cannot be reached"
}

// distrust says why Vault's certificate is not trusted; "" if that is not it.
func distrust(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Vault's certificate is for another name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "Vault's certificate is signed by an unknown authority"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "Vault's certificate has expired, or is not valid yet"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "Vault's certificate is not trusted"
	}
	return ""
}
