package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// wrappedSecretID gets AppRole's secret-id from a file that holds a wrapping
// token for it. That token is good for one use: its deliverer never knows the
// secret-id, and a theft shows because this process finds the token used. The
// secret-id is stored in a file of its own, for the next login and the next start.
type wrappedSecretID struct {
	cfg     AuthConfig
	request requester
	log     *slog.Logger
	// unsaved is what could not be stored in the file.
	unsaved storedSecretID
}

// read returns the secret-id, unwrapping it if that was not done yet.
func (w *wrappedSecretID) read(ctx context.Context) (string, error) {
	dir, err := w.lock(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = dir.Close() }()
	token, err := readCredential(w.cfg.SecretIDFile)
	missing := errors.Is(err, os.ErrNotExist) // as when it is taken away after its use
	if err != nil && !missing {
		return "", unreadable(w.cfg.describe(opLogin), "secret-id", err)
	}
	fingerprint := tokenHash(token)
	if held := w.unsaved; held.SecretID != "" && (missing || held.Token == fingerprint) {
		w.store(dir, held)
		return held.SecretID, nil
	}
	stored, have, storedErr := w.readStored()
	switch {
	case storedErr != nil:
		return "", storedErr
	case have && (missing || stored.Token == fingerprint):
		return stored.SecretID, nil
	case missing:
		return "", unreadable(w.cfg.describe(opLogin), "secret-id", err)
	}
	if err := w.checkOrigin(ctx, token); err != nil {
		return "", err
	}
	file, err := w.reserve()
	if err != nil {
		return "", w.notStored(err)
	}
	secretID, err := w.unwrap(ctx, token)
	if err != nil {
		discard(file)
		return "", err
	}
	w.storeIn(dir, file, storedSecretID{SecretID: secretID, Token: fingerprint})
	return secretID, nil
}

// checkOrigin makes sure that the token wraps a secret-id of this role. A thief
// who has used the real token could otherwise hide that by putting another in its
// place.
func (w *wrappedSecretID) checkOrigin(ctx context.Context, token string) error {
	a, err := w.request(ctx, opOrigin, "", http.MethodPut, "sys/wrapping/lookup", map[string]string{"token": token})
	if err != nil {
		return err
	}
	var data struct {
		CreationPath string `json:"creation_path"`
	}
	_ = json.Unmarshal(a.Data, &data) // leaves the path empty, which is wrong as well
	if want := "auth/" + w.cfg.Mount + "/role/" + w.cfg.Role + "/secret-id"; data.CreationPath != want {
		return &backend.Error{
			Class: backend.Credentials, Op: "unwrap the secret-id",
			Reason: "the wrapping token does not wrap a secret-id of this role",
			Err:    fmt.Errorf("it was made at %q, not at %q", OneLine(data.CreationPath), want),
		}
	}
	return nil
}

func (w *wrappedSecretID) unwrap(ctx context.Context, token string) (string, error) {
	a, err := w.request(ctx, opUnwrap, token, http.MethodPut, "sys/wrapping/unwrap", nil)
	if err != nil {
		return "", err
	}
	defer clear(a.Data)
	var data struct {
		SecretID string `json:"secret_id"`
	}
	if err := json.Unmarshal(a.Data, &data); err != nil || data.SecretID == "" || strings.ContainsFunc(data.SecretID, isUnsafe) {
		return "", &backend.Error{Class: backend.Credentials, Op: "unwrap the secret-id", Reason: "the wrapping token held no secret-id"}
	}
	return data.SecretID, nil
}

// tokenHash is what is stored of a wrapping token.
func tokenHash(token string) string {
	hash := sha256.Sum256([]byte(token))
	return hex.EncodeToString(hash[:])
}

// isUnsafe tells what a secret-id of Vault's does not contain.
func isUnsafe(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}
