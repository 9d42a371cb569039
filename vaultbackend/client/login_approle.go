package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// By default Vault locks a role out for a quarter of an hour after five logins
// with an unknown secret-id, none of them more than a quarter of an hour after the
// one before (user_lockout, since Vault 1.13). During that time the right secret-id
// is refused as well. So one that was refused is rarely sent again: an expired one
// does not come back. If an operator makes the role again or restores another
// snapshot, it does: each change of its file, a touch included, allows one try at
// once.
const (
	// unknownAgain keeps three nodes with one role below that rate.
	unknownAgain = time.Hour
	// newAgain is for a secret-id that has never served here, and may not have
	// reached the Vault that was asked; once.
	newAgain = time.Minute
)

// appRole logs in with a role-id and a secret-id.
type appRole struct {
	cfg     AuthConfig
	request requester
	wrapped *wrappedSecretID // nil: the file holds the secret-id itself
	// delivered is the wrapping token's file as it was at the last login that
	// succeeded; no file where nothing is wrapped.
	delivered fileStates
	// offered are all files with credentials, as they were when Vault last did
	// not know what they held.
	offered fileStates
	now     func() time.Time

	served  credentials // that Vault accepted last
	unknown unknown     // that Vault did not know last
}

// credentials tell one pair of role-id and secret-id from another.
type credentials [sha256.Size]byte

// unknown are credentials that Vault does not know.
type unknown struct {
	credentials credentials
	times       int       // that they were refused
	until       time.Time // when they may be sent again
	err         error
}

func (a *appRole) login(ctx context.Context) (grant, error) {
	roleID := a.cfg.RoleID
	if a.cfg.RoleIDFile != "" {
		var err error
		if roleID, err = readCredential(a.cfg.RoleIDFile); err != nil {
			return grant{}, unreadable(a.cfg.describe(opLogin), "role-id", err)
		}
	}
	seen := a.delivered.look()
	secretID, err := a.secretID(ctx)
	if err != nil {
		return grant{}, err
	}
	pair := credentials(sha256.Sum256([]byte(roleID + "\x00" + secretID)))
	if pair == a.unknown.credentials && a.now().Before(a.unknown.until) && !a.offered.changed() {
		return grant{}, a.unknown.err
	}
	// Looked at after reading: this login tries what was written until now, and
	// what is written from now on allows one more. There are never more tries than
	// changes.
	files := a.offered.look()
	g, err := logIn(ctx, a.request, a.cfg, map[string]string{"role_id": roleID, "secret_id": secretID})
	if err == nil {
		a.served, a.unknown = pair, unknown{}
		a.delivered.set(seen)
	}
	if said, ok := errors.AsType[*backend.Error](err); ok && errors.Is(said, errUnknownLogin) {
		a.offered.set(files)
		return grant{}, a.refused(pair, said.Err)
	}
	return g, err
}

// refused remembers that Vault does not know what it was offered.
func (a *appRole) refused(pair credentials, said error) error {
	if pair != a.unknown.credentials {
		a.unknown = unknown{credentials: pair}
	}
	a.unknown.times++
	again := unknownAgain
	if pair != a.served && a.unknown.times == 1 {
		again = newAgain
	}
	a.unknown.until = a.now().Add(jitter(again))
	a.unknown.err = &backend.Error{
		Class: backend.Credentials, Op: a.cfg.describe(opLogin), Reason: "Vault does not know the role-id, or not this secret-id",
		Err: fmt.Errorf("%w; not offered again before %s unless its file is replaced or touched, so that Vault does not lock out the role",
			said, a.unknown.until.UTC().Format(time.RFC3339)),
	}
	return a.unknown.err
}

// secretID is read anew each time: secret-ids are replaced while the plugin runs.
func (a *appRole) secretID(ctx context.Context) (string, error) {
	if a.wrapped != nil {
		return a.wrapped.read(ctx)
	}
	secretID, err := readCredential(a.cfg.SecretIDFile)
	if err != nil {
		return "", unreadable(a.cfg.describe(opLogin), "secret-id", err)
	}
	return secretID, nil
}

// stale is set once another wrapping token has been delivered, which may live
// for minutes only. Otherwise a token outlives the secret-id of its login.
func (a *appRole) stale() bool { return a.delivered.changed() }
