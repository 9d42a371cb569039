package vaultbackend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// wrappedSecretID gets AppRole's secret-id from a file that holds a wrapping
// token for it. That token is good for one use: who delivers it never knows the
// secret-id, and if somebody else has used it, this process finds out. What it
// was exchanged for is kept in a file of its own, for the next login and the
// next start.
type wrappedSecretID struct {
	cfg     AuthConfig
	request requester
}

// keptSecretID is the content of the file. Token is a hash of the wrapping
// token, so that one which was exchanged already is not taken for stolen.
type keptSecretID struct {
	SecretID string `json:"secret_id"`
	Token    string `json:"wrapping_token_sha256"`
}

// read returns the secret-id, unwrapping it if that was not done yet.
func (w *wrappedSecretID) read(ctx context.Context) (string, error) {
	kept, haveKept, err := w.readKept()
	if err != nil {
		return "", err
	}
	token, err := readCredential(w.cfg.SecretIDFile)
	switch {
	case errors.Is(err, os.ErrNotExist) && haveKept:
		return kept.SecretID, nil // taken away after it was used
	case err != nil:
		return "", unreadable(loginAt(w.cfg), "secret-id", err)
	}
	hash := sha256.Sum256([]byte(token))
	fingerprint := hex.EncodeToString(hash[:])
	if haveKept && kept.Token == fingerprint {
		return kept.SecretID, nil
	}
	if err := w.checkOrigin(ctx, token); err != nil {
		return "", err
	}
	// Before the token is used up: what could not be kept would be lost.
	file, err := os.CreateTemp(filepath.Dir(w.cfg.UnwrappedSecretIDFile), ".secret-id-*") // mode 0600
	if err != nil {
		return "", w.notKept(err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // in vain once it was renamed
	defer func() { _ = file.Close() }()
	secretID, err := w.unwrap(ctx, token)
	if err != nil {
		return "", err
	}
	if err := w.keep(file, keptSecretID{SecretID: secretID, Token: fingerprint}); err != nil {
		return "", w.notKept(err)
	}
	return secretID, nil
}

func (w *wrappedSecretID) readKept() (kept keptSecretID, have bool, err error) {
	raw, err := os.ReadFile(w.cfg.UnwrappedSecretIDFile)
	if errors.Is(err, os.ErrNotExist) {
		return kept, false, nil
	}
	if err == nil && (json.Unmarshal(raw, &kept) != nil || kept.SecretID == "" || strings.ContainsFunc(kept.SecretID, isUnsafe)) {
		// Not the cause itself: it may quote the content.
		err = fmt.Errorf("%s does not hold what was kept there; remove it and deliver a new wrapping token", w.cfg.UnwrappedSecretIDFile)
	}
	if err != nil {
		return kept, false, unreadable(loginAt(w.cfg), "unwrapped secret-id", err)
	}
	return kept, true, nil
}

// checkOrigin makes sure that the token wraps a secret-id of this role. Somebody
// who has used the real one could put another in its place, so that nobody
// notices.
func (w *wrappedSecretID) checkOrigin(ctx context.Context, token string) error {
	a, err := w.request(ctx, opOrigin, "", http.MethodPut, "sys/wrapping/lookup", map[string]string{"token": token})
	if err != nil {
		return err
	}
	var data struct {
		CreationPath string `json:"creation_path"`
	}
	_ = json.Unmarshal(a.data, &data) // leaves the path empty, which is wrong as well
	if want := "auth/" + w.cfg.Mount + "/role/" + w.cfg.Role + "/secret-id"; data.CreationPath != want {
		return &backend.Error{
			Class: backend.Credentials, Op: "unwrap the secret-id",
			Reason: "the wrapping token does not wrap a secret-id of this role",
			Err:    fmt.Errorf("it was made at %q, not at %q", oneLine(data.CreationPath), want),
		}
	}
	return nil
}

func (w *wrappedSecretID) unwrap(ctx context.Context, token string) (string, error) {
	a, err := w.request(ctx, opUnwrap, token, http.MethodPut, "sys/wrapping/unwrap", nil)
	if err != nil {
		return "", err
	}
	defer clear(a.data)
	var data struct {
		SecretID string `json:"secret_id"`
	}
	if err := json.Unmarshal(a.data, &data); err != nil || data.SecretID == "" || strings.ContainsFunc(data.SecretID, isUnsafe) {
		return "", &backend.Error{Class: backend.Credentials, Op: "unwrap the secret-id", Reason: "the wrapping token held no secret-id"}
	}
	return data.SecretID, nil
}

// keep puts the secret-id in its place in one step. It is on the disk before it
// is used: after a power failure nobody could unwrap it again.
func (w *wrappedSecretID) keep(file *os.File, kept keptSecretID) error {
	raw, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	defer clear(raw)
	if _, err := file.Write(raw); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Rename(file.Name(), w.cfg.UnwrappedSecretIDFile)
}

func (w *wrappedSecretID) notKept(err error) error {
	return &backend.Error{
		Class: backend.Credentials, Op: "unwrap the secret-id",
		Reason: "the unwrapped secret-id cannot be kept in its file", Err: err,
	}
}
