package client

import "context"

// jwtFile logs in with a JWT that another program keeps fresh: kubelet for the
// token of a service account, a SPIFFE agent or the like for others. To Vault
// the two methods differ in how the JWT is verified.
type jwtFile struct {
	cfg     AuthConfig
	request requester
}

func (j *jwtFile) login(ctx context.Context) (grant, error) {
	// Read anew each time: it lives for an hour, or for minutes.
	jwt, err := readCredential(j.cfg.JWTFile)
	if err != nil {
		return grant{}, unreadable(j.cfg.describe(opLogin), "JWT", err)
	}
	body := map[string]string{"jwt": jwt}
	if j.cfg.Role != "" {
		body["role"] = j.cfg.Role
	}
	return logIn(ctx, j.request, j.cfg, body)
}

// stale is never set: a token outlives the JWT of its login.
func (j *jwtFile) stale() bool { return false }
