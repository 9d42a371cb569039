package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// maxCredential bounds what is read of a credential file. Vault's longest
// tokens (batch tokens with metadata) are about 1 KiB.
const maxCredential = 16 << 10

// requester makes one request about the login itself.
type requester func(ctx context.Context, op operation, token, method, path string, body any) (answer, error)

// newAuthenticator returns the way of logging in that cfg asks for.
func newAuthenticator(cfg AuthConfig, request requester) authenticator {
	if cfg.Method == MethodToken {
		return &tokenFile{path: cfg.TokenFile, request: request}
	}
	return &appRole{cfg: cfg, request: request}
}

// renewSelf returns the renewal of a token, the same for every method.
func renewSelf(request requester) func(context.Context, string) (grant, error) {
	return func(ctx context.Context, token string) (grant, error) {
		a, err := request(ctx, opRenew, token, "PUT", "auth/token/renew-self", struct{}{})
		if err != nil {
			return grant{}, err
		}
		return parseAuth(a, "renew the Vault token")
	}
}

// parseAuth reads the auth object that a login or a renewal returns.
func parseAuth(a answer, what string) (grant, error) {
	var auth *struct {
		ClientToken   string `json:"client_token"`
		LeaseDuration int64  `json:"lease_duration"`
		Renewable     bool   `json:"renewable"`
	}
	if err := json.Unmarshal(a.auth, &auth); err != nil || auth == nil {
		return grant{}, &backend.Error{Class: backend.Outage, Op: what, Reason: "Vault's answer holds no token"}
	}
	if auth.ClientToken == "" {
		return grant{}, &backend.Error{
			Class: backend.Credentials, Op: what,
			Reason: "Vault wants more than this login offers, such as a second factor",
		}
	}
	return grant{
		token:     auth.ClientToken,
		ttl:       time.Duration(max(auth.LeaseDuration, 0)) * time.Second,
		renewable: auth.Renewable,
	}, nil
}

// readCredential returns what a file holds, without the white space around it.
// Its errors never show the content.
func readCredential(path string) (string, os.FileInfo, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own configuration
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err != nil {
		return "", nil, err
	}
	value := strings.TrimSpace(string(raw))
	switch {
	case len(raw) > maxCredential:
		err = fmt.Errorf("%s is longer than %d bytes", path, maxCredential)
	case value == "":
		err = fmt.Errorf("%s is empty", path)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		// Sent as it is, it would end up in a header or in an error text.
		err = fmt.Errorf("%s does not hold one plain value (is it wrapped, or JSON?)", path)
	}
	if err != nil {
		return "", nil, err
	}
	return value, info, nil
}

// unreadable classifies a credential file that cannot be used: nothing is known
// about the key, and a file that appears later cures it.
func unreadable(what, which string, err error) error {
	// An *fs.PathError names the file and the reason, not the content.
	return &backend.Error{Class: backend.Credentials, Op: what, Reason: "the " + which + " file cannot be used", Err: err}
}

// appRole logs in with a role-id and a secret-id.
type appRole struct {
	cfg     AuthConfig
	request requester
}

func (a *appRole) login(ctx context.Context) (grant, error) {
	what := "log in to Vault at auth/" + a.cfg.Mount
	roleID := a.cfg.RoleID
	if a.cfg.RoleIDFile != "" {
		var err error
		if roleID, _, err = readCredential(a.cfg.RoleIDFile); err != nil {
			return grant{}, unreadable(what, "role-id", err)
		}
	}
	// Read anew each time: secret-ids are replaced while the plugin runs.
	secretID, _, err := readCredential(a.cfg.SecretIDFile)
	if err != nil {
		return grant{}, unreadable(what, "secret-id", err)
	}
	answer, err := a.request(ctx, opLogin, "", "PUT", "auth/"+a.cfg.Mount+"/login", map[string]string{
		"role_id": roleID, "secret_id": secretID,
	})
	if err != nil {
		return grant{}, err
	}
	return parseAuth(answer, what)
}

// stale is never set: a token outlives the secret-id it was bought with.
func (a *appRole) stale() bool { return false }

// tokenFile uses a token that somebody else writes to a file.
type tokenFile struct {
	path    string
	request requester
	// read is the file as it was at the last login. The keeper never logs in
	// twice at once, but asks stale meanwhile.
	read fileMark
}

// login reads the file and has Vault confirm the token, which also tells how
// long it lives.
func (t *tokenFile) login(ctx context.Context) (grant, error) {
	const what = "use the Vault token file"
	token, info, err := readCredential(t.path)
	if err != nil {
		return grant{}, unreadable(what, "token", err)
	}
	t.read.set(info)
	a, err := t.request(ctx, opLookup, token, "GET", "auth/token/lookup-self", nil)
	if err != nil {
		return grant{}, err
	}
	var data struct {
		TTL        int64   `json:"ttl"`
		ExpireTime *string `json:"expire_time"`
		Renewable  bool    `json:"renewable"`
	}
	if err := json.Unmarshal(a.data, &data); err != nil {
		return grant{}, &backend.Error{
			Class: backend.Outage, Op: what, Reason: "Vault's answer is not understood",
			Err: errors.New("lookup-self returned no data"),
		}
	}
	ttl := max(data.TTL, 0)
	if ttl == 0 && data.ExpireTime != nil {
		ttl = 1 // less than a second left is not "never"
	}
	return grant{token: token, ttl: time.Duration(ttl) * time.Second, renewable: data.Renewable}, nil
}

func (t *tokenFile) stale() bool { return t.read.changed(t.path) }
