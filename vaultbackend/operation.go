package vaultbackend

import "time"

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

// isBatch tells requests that Transit answers item by item.
func (op operation) isBatch() bool { return op == opHMAC || op == opEncrypt || op == opDecrypt }

// isAboutKey tells requests whose answer shows whether a node serves the key.
func (op operation) isAboutKey() bool { return op == opReadKey || op.isBatch() }

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
