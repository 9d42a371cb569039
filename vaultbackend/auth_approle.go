package vaultbackend

import "context"

// appRole logs in with a role-id and a secret-id.
type appRole struct {
	cfg     AuthConfig
	request requester
	wrapped *wrappedSecretID // nil: the file holds the secret-id itself
}

func (a *appRole) login(ctx context.Context) (grant, error) {
	roleID := a.cfg.RoleID
	if a.cfg.RoleIDFile != "" {
		var err error
		if roleID, _, err = readCredential(a.cfg.RoleIDFile); err != nil {
			return grant{}, unreadable(loginAt(a.cfg), "role-id", err)
		}
	}
	secretID, err := a.secretID(ctx)
	if err != nil {
		return grant{}, err
	}
	return logIn(ctx, a.request, a.cfg, map[string]string{"role_id": roleID, "secret_id": secretID})
}

// secretID is read anew each time: secret-ids are replaced while the plugin runs.
func (a *appRole) secretID(ctx context.Context) (string, error) {
	if a.wrapped != nil {
		return a.wrapped.read(ctx)
	}
	secretID, _, err := readCredential(a.cfg.SecretIDFile)
	if err != nil {
		return "", unreadable(loginAt(a.cfg), "secret-id", err)
	}
	return secretID, nil
}

// stale is set once another wrapping token has been delivered, which may live
// for minutes only. Otherwise a token outlives the secret-id it was bought with.
func (a *appRole) stale() bool { return a.wrapped != nil && a.wrapped.delivered() }
