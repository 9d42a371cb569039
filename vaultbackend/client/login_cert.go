package client

import (
	"context"
	"crypto/tls"
)

// certificate logs in with the TLS certificate of the connection, which is made
// anew for it.
type certificate struct {
	cfg     Config
	request requester
	// used are certificate and key of the last login that succeeded: the key may
	// be written later than the certificate.
	used fileStates
}

func (c *certificate) login(ctx context.Context) (grant, error) {
	seen := c.used.look()
	// The connection reads the files itself. Read here as well, they tell a
	// certificate that is missing from a Vault that is.
	if _, err := tls.LoadX509KeyPair(c.cfg.ClientCertFile, c.cfg.ClientKeyFile); err != nil {
		return grant{}, unreadable(c.cfg.Auth.describe(opLogin), "client certificate", err)
	}
	body := map[string]string{}
	if c.cfg.Auth.Role != "" {
		body["name"] = c.cfg.Auth.Role
	}
	g, err := logIn(ctx, c.request, c.cfg.Auth, body)
	if err == nil {
		c.used.set(seen)
	}
	return g, err
}

// stale is set once there is another certificate: Vault renews a token only over
// a connection with the certificate of the login.
func (c *certificate) stale() bool { return c.used.changed() }
