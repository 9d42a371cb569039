package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/internal/filelock"
	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// reserved is at least what a stored secret-id takes on the disk: one block.
const reserved = 4096

// storedSecretID is the content of the file. Token is a hash of the wrapping
// token, so that one which was exchanged already is not taken for stolen.
type storedSecretID struct {
	SecretID string `json:"secret_id"`
	Token    string `json:"wrapping_token_sha256"`
}

// lock returns the locked directory of the file; closing it unlocks it. Otherwise
// another client of this process, for another key, or a process that takes over from
// it, would find the wrapping token used and take that for a theft.
func (w *wrappedSecretID) lock(ctx context.Context) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(w.cfg.UnwrappedSecretIDFile))
	if err != nil {
		return nil, w.notStored(err)
	}
	if err := filelock.Lock(ctx, dir); err != nil {
		_ = dir.Close()
		if ctx.Err() != nil {
			return nil, Unanswered("unwrap the secret-id", ctx.Err())
		}
		return nil, w.notStored(err)
	}
	return dir, nil
}

func (w *wrappedSecretID) readStored() (stored storedSecretID, have bool, err error) {
	raw, err := os.ReadFile(w.cfg.UnwrappedSecretIDFile)
	if errors.Is(err, os.ErrNotExist) {
		return stored, false, nil
	}
	if err == nil && (json.Unmarshal(raw, &stored) != nil || stored.SecretID == "" || strings.ContainsFunc(stored.SecretID, isUnsafe)) {
		// Not the cause itself: it may quote the content.
		err = fmt.Errorf("%s does not hold what was kept there; remove it and deliver a new wrapping token", w.cfg.UnwrappedSecretIDFile)
	}
	if err != nil {
		return stored, false, unreadable(w.cfg.describe(opLogin), "unwrapped secret-id", err)
	}
	return stored, true, nil
}

// reserve makes the file in which the secret-id is stored, with room for it on the
// disk, before the wrapping token is used up: what could not be stored would be lost.
func (w *wrappedSecretID) reserve() (*os.File, error) {
	file, err := os.CreateTemp(filepath.Dir(w.cfg.UnwrappedSecretIDFile), ".secret-id-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if _, err = file.Write(make([]byte, reserved)); err == nil {
		err = file.Sync()
	}
	if err != nil {
		discard(file)
		return nil, err
	}
	return file, nil
}

func discard(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// store makes room for stored and stores it there.
func (w *wrappedSecretID) store(dir *os.File, stored storedSecretID) {
	if file, err := w.reserve(); err == nil {
		w.storeIn(dir, file, stored)
	}
}

// storeIn turns file into the one that holds stored. Where that fails, this process
// holds it in memory: the wrapping token is used up and cannot be used again.
func (w *wrappedSecretID) storeIn(dir, file *os.File, stored storedSecretID) {
	defer discard(file) // does nothing once it was renamed
	w.unsaved = storedSecretID{}
	if err := w.write(dir, file, stored); err != nil {
		w.unsaved = stored
		w.log.Error("the unwrapped secret-id cannot be kept in its file; make room there before this process ends, or deliver another wrapping token after it",
			"file", w.cfg.UnwrappedSecretIDFile, "error", err)
	}
}

// write puts stored in its place in one step. Content and name are on the disk
// before it is used: after a power failure it could not be unwrapped again.
func (w *wrappedSecretID) write(dir, file *os.File, stored storedSecretID) error {
	raw, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	defer clear(raw)
	if _, err := file.WriteAt(raw, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(raw))); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), w.cfg.UnwrappedSecretIDFile); err != nil {
		return err
	}
	return dir.Sync()
}

func (w *wrappedSecretID) notStored(err error) error {
	return &backend.Error{
		Class: backend.Credentials, Op: "unwrap the secret-id",
		Reason: "the unwrapped secret-id cannot be kept in its file", Err: err,
	}
}
