package vaultbackend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// keyData is the "data" of Transit's answer to GET keys/K.
type keyData struct {
	Type                 string                     `json:"type"`
	Derived              bool                       `json:"derived"`
	LatestVersion        int                        `json:"latest_version"`
	MinDecryptionVersion int                        `json:"min_decryption_version"`
	MinEncryptionVersion int                        `json:"min_encryption_version"`
	Keys                 map[string]json.RawMessage `json:"keys"`
	DeletionAllowed      bool                       `json:"deletion_allowed"`
	Exportable           bool                       `json:"exportable"`
	AllowPlaintextBackup bool                       `json:"allow_plaintext_backup"`
	AutoRotatePeriod     int64                      `json:"auto_rotate_period"` // seconds
}

// ReadKey implements backend.Backend. A key that exists but cannot serve is an
// error of class backend.Unsuitable.
func (k *Key) ReadKey(ctx context.Context) (backend.Key, error) {
	a, err := k.readKey(ctx)
	if err != nil {
		return backend.Key{}, err
	}
	key, bad := parseKey(a.Data)
	if bad != nil {
		bad.Op = k.cfg.describe(opReadKey)
		return backend.Key{}, bad
	}
	key.Mount, key.Name, key.Clock = k.cfg.keyMount(), k.cfg.Key, a.Clock
	return key, nil
}

// parseKey reads the description of a key, all but where it is.
func parseKey(raw json.RawMessage) (backend.Key, *backend.Error) {
	var data keyData
	if err := json.Unmarshal(raw, &data); err != nil {
		return backend.Key{}, &backend.Error{Class: backend.Outage, Reason: "Vault answered with something that is no description of a key"}
	}
	if reason := unsuitable(data); reason != "" {
		return backend.Key{}, &backend.Error{Class: backend.Unsuitable, Reason: reason}
	}
	created, err := creationTimes(data)
	if err != nil {
		return backend.Key{}, &backend.Error{Class: backend.Outage, Reason: "Vault answered with key versions that make no sense", Err: err}
	}
	return backend.Key{
		Type:                 data.Type,
		Derived:              data.Derived,
		Latest:               data.LatestVersion,
		MinDecryption:        max(data.MinDecryptionVersion, 1),
		MinEncryption:        max(data.MinEncryptionVersion, 0),
		Created:              created,
		DeletionAllowed:      data.DeletionAllowed,
		Exportable:           data.Exportable,
		AllowPlaintextBackup: data.AllowPlaintextBackup,
		AutoRotatePeriod:     time.Duration(data.AutoRotatePeriod) * time.Second,
	}, nil
}

// unsuitable says why a key cannot serve, and what to do; "" if it can.
func unsuitable(data keyData) string {
	switch data.Type {
	case "aes256-gcm96", "aes128-gcm96", "chacha20-poly1305":
	default:
		// The others either do not encrypt, or do not bind associated data.
		return fmt.Sprintf("the key's type is %q; create a key of type aes256-gcm96 (aes128-gcm96 and chacha20-poly1305 serve as well)", data.Type)
	}
	if data.Derived {
		return fmt.Sprintf("the key is derived (type %s): it needs a context for each request; create a key without derived=true", data.Type)
	}
	return ""
}

// creationTimes returns when each listed version was created.
func creationTimes(data keyData) (map[int]time.Time, error) {
	created := make(map[int]time.Time, len(data.Keys))
	for name, raw := range data.Keys {
		version, err := strconv.Atoi(name)
		if err != nil || version < 1 {
			return nil, fmt.Errorf("version %q", name)
		}
		if created[version], err = creationTime(raw); err != nil {
			return nil, fmt.Errorf("version %d: %w", version, err)
		}
	}
	// Everything that follows, key ids above all, is computed from these times.
	if _, ok := created[data.LatestVersion]; !ok {
		return nil, fmt.Errorf("the latest version, %d, is not listed", data.LatestVersion)
	}
	return created, nil
}

// creationTime reads the two forms Transit uses: seconds since 1970 for
// symmetric keys, an object with an RFC 3339 time for the others.
func creationTime(raw json.RawMessage) (time.Time, error) {
	var seconds int64
	if err := json.Unmarshal(raw, &seconds); err == nil && seconds > 0 {
		return time.Unix(seconds, 0).UTC(), nil
	}
	var object struct {
		CreationTime time.Time `json:"creation_time"`
	}
	if err := json.Unmarshal(raw, &object); err != nil || object.CreationTime.IsZero() {
		return time.Time{}, errors.New("no creation time")
	}
	return object.CreationTime.UTC().Truncate(time.Second), nil
}
