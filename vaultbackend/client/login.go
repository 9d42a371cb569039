package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// maxCredential bounds what is read of a credential file. Vault's longest
// tokens (batch tokens with metadata) are about 1 KiB.
const maxCredential = 16 << 10

// requester makes one request about the login itself.
type requester func(ctx context.Context, op Operation, token, method, path string, body any) (Answer, error)

// newAuthenticator returns the way of logging in that a canonical cfg asks for.
func newAuthenticator(cfg Config, request requester, log *slog.Logger) authenticator {
	switch cfg.Auth.Method {
	case MethodToken:
		return &tokenFile{path: cfg.Auth.TokenFile, request: request, read: fileStates{paths: []string{cfg.Auth.TokenFile}}}
	case MethodJWT, MethodKubernetes:
		return &jwtFile{cfg: cfg.Auth, request: request}
	case MethodCert:
		return &certificate{cfg: cfg, request: request, used: fileStates{paths: []string{cfg.ClientCertFile, cfg.ClientKeyFile}}}
	default:
		a := &appRole{cfg: cfg.Auth, request: request, now: time.Now}
		for _, path := range []string{cfg.Auth.RoleIDFile, cfg.Auth.SecretIDFile, cfg.Auth.UnwrappedSecretIDFile} {
			if path != "" {
				a.offered.paths = append(a.offered.paths, path)
			}
		}
		if cfg.Auth.UnwrappedSecretIDFile != "" {
			a.wrapped = &wrappedSecretID{cfg: cfg.Auth, request: request, log: log}
			a.delivered.paths = []string{cfg.Auth.SecretIDFile}
		}
		return a
	}
}

// logIn makes the request of every method but a token file. Its errors do not show
// what body holds.
func logIn(ctx context.Context, request requester, cfg AuthConfig, body map[string]string) (grant, error) {
	a, err := request(ctx, opLogin, "", http.MethodPut, "auth/"+cfg.Mount+"/login", body)
	if err != nil {
		return grant{}, err
	}
	return parseAuth(a, cfg.describe(opLogin))
}

// describe says what is done in a request about the login, for errors and logs.
func (c AuthConfig) describe(op Operation) string {
	switch op {
	case opLookup:
		return "look up the Vault token"
	case opRenew:
		return "renew the Vault token"
	case opOrigin:
		return "look up the wrapping token of the secret-id"
	case opUnwrap:
		return "unwrap the secret-id"
	case opRevoke:
		return "revoke the Vault token"
	default:
		return "log in to Vault at auth/" + c.Mount
	}
}

// renewSelf returns the renewal of a token, the same for every method.
func renewSelf(request requester) func(context.Context, string) (grant, error) {
	return func(ctx context.Context, token string) (grant, error) {
		a, err := request(ctx, opRenew, token, http.MethodPut, PathRenewSelf, struct{}{})
		if err != nil {
			return grant{}, err
		}
		return parseAuth(a, "renew the Vault token")
	}
}

// parseAuth reads the auth object that a login or a renewal returns.
func parseAuth(a Answer, what string) (grant, error) {
	var auth *struct {
		ClientToken   string `json:"client_token"`
		LeaseDuration int64  `json:"lease_duration"`
		Renewable     bool   `json:"renewable"`
		TokenType     string `json:"token_type"`
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
		own:       auth.TokenType != "batch",
	}, nil
}

// readCredential returns what a file holds, without the white space around it.
// Its errors never show the content.
func readCredential(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own configuration
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	if err != nil {
		return "", err
	}
	value := strings.TrimSpace(string(raw))
	switch {
	case len(raw) > maxCredential:
		err = fmt.Errorf("%s is longer than %d bytes", path, maxCredential)
	case value == "":
		err = fmt.Errorf("%s is empty", path)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		// Sent as it is, it would end up in a header or in an error text.
		err = fmt.Errorf("%s does not hold one plain value (is it wrapped, JSON or PEM?)", path)
	}
	if err != nil {
		return "", err
	}
	return value, nil
}

// CheckCredential returns an error if a file does not hold one credential, such as a token. It does
// not quote what is there.
func CheckCredential(path string) error {
	_, err := readCredential(path)
	return err
}

// unreadable classifies a credential file that cannot be used: nothing is known
// about the key, and a file that appears later cures it.
func unreadable(what, which string, err error) error {
	// An *fs.PathError names the file and the reason, not the content.
	return &backend.Error{Class: backend.Credentials, Op: what, Reason: "the " + which + " file cannot be used", Err: err}
}
