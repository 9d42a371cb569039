package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"
)

// KeyBackup is a Transit key with all its versions, in plaintext. It stays in
// memory.
type KeyBackup string

// BackupKey takes Transit's own backup of a key. For that the key is made
// exportable, which Vault never takes back.
func (v *Vault) BackupKey(ctx context.Context, name string) (KeyBackup, error) {
	err := v.ConfigureKey(ctx, name, map[string]any{"exportable": true, "allow_plaintext_backup": true})
	if err != nil {
		return "", err
	}
	secret, err := v.Client().Logical().ReadWithContext(ctx, TransitMount+"/backup/"+name)
	if err != nil {
		return "", fmt.Errorf("back the Transit key %s up: %w", name, err)
	}
	if secret != nil {
		if backup, _ := secret.Data["backup"].(string); backup != "" {
			return KeyBackup(backup), nil
		}
	}
	return "", fmt.Errorf("back the Transit key %s up: the answer has no backup", name)
}

// RestoreKey restores a backup under a name that no key has, the old one or
// another.
func (v *Vault) RestoreKey(ctx context.Context, name string, backup KeyBackup) error {
	_, err := v.Client().Logical().WriteWithContext(ctx, TransitMount+"/restore/"+name, map[string]any{"backup": string(backup)})
	if err != nil {
		return fmt.Errorf("restore the Transit key %s: %w", name, err)
	}
	return nil
}

// DeleteKey deletes a Transit key for good.
func (v *Vault) DeleteKey(ctx context.Context, name string) error {
	if err := v.ConfigureKey(ctx, name, map[string]any{"deletion_allowed": true}); err != nil {
		return err
	}
	if _, err := v.Client().Logical().DeleteWithContext(ctx, TransitMount+"/keys/"+name); err != nil {
		return fmt.Errorf("delete the Transit key %s: %w", name, err)
	}
	return nil
}

// MountTransit mounts an empty Transit engine.
func (v *Vault) MountTransit(ctx context.Context, path string) error {
	if err := v.Client().Sys().MountWithContext(ctx, path, &api.MountInput{Type: "transit"}); err != nil {
		return fmt.Errorf("mount Transit at %s: %w", path, err)
	}
	return nil
}

// Unmount disables a secrets engine, and with it goes everything that it holds.
func (v *Vault) Unmount(ctx context.Context, path string) error {
	if err := v.Client().Sys().UnmountWithContext(ctx, path); err != nil {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

// MoveMount moves a secrets engine with all that it holds, and waits until it
// has moved.
func (v *Vault) MoveMount(ctx context.Context, from, to string) error {
	if err := v.Client().Sys().RemountWithContext(ctx, from, to); err != nil {
		return fmt.Errorf("move %s to %s: %w", from, to, err)
	}
	return nil
}

// Snapshot returns a backup of all of Vault, as operators take it.
func (v *Vault) Snapshot(ctx context.Context) ([]byte, error) {
	leader, err := v.WaitLeader(ctx)
	if err != nil {
		return nil, err
	}
	var snapshot bytes.Buffer
	if err := leader.client.Sys().RaftSnapshotWithContext(ctx, &snapshot); err != nil {
		return nil, fmt.Errorf("take a snapshot of Vault: %w", err)
	}
	return snapshot.Bytes(), nil
}

// RestoreSnapshot takes this Vault, the one that the snapshot is of, back to
// what it was, and waits until it serves again.
func (v *Vault) RestoreSnapshot(ctx context.Context, snapshot []byte) error {
	leader, err := v.WaitLeader(ctx)
	if err != nil {
		return err
	}
	if err := leader.client.Sys().RaftSnapshotRestoreWithContext(ctx, bytes.NewReader(snapshot), false); err != nil {
		return fmt.Errorf("restore a snapshot of Vault: %w", err)
	}
	return v.Unseal(ctx)
}

// RevokeLogins revokes every token that an auth method has given out, and waits
// until that is done.
func (v *Vault) RevokeLogins(ctx context.Context, authMount string) error {
	if err := v.Client().Sys().RevokePrefixWithContext(ctx, "auth/"+authMount); err != nil {
		return fmt.Errorf("revoke the tokens of auth/%s: %w", authMount, err)
	}
	return nil
}

// RevokeRole revokes every token that was given out to a role, through one node, and
// returns how many there were. Other roles keep theirs.
func (v *Vault) RevokeRole(ctx context.Context, through *VaultNode, role AppRole) (revoked int, err error) {
	list, err := through.client.Logical().ListWithContext(ctx, "auth/token/accessors")
	if err != nil {
		return 0, fmt.Errorf("list the accessors of tokens: %w", err)
	}
	if list == nil {
		return 0, nil
	}
	accessors, _ := list.Data["keys"].([]any)
	for _, a := range accessors {
		accessor, _ := a.(string)
		token, err := through.client.Auth().Token().LookupAccessorWithContext(ctx, accessor)
		if answer, ok := errors.AsType[*api.ResponseError](err); ok && (answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusNotFound) {
			continue // it has expired since it was listed
		}
		if err != nil {
			return revoked, fmt.Errorf("look a token up: %w", err)
		}
		metadata, _ := token.Data["meta"].(map[string]any)
		if metadata["role_name"] != role.Name {
			continue
		}
		if err := through.client.Auth().Token().RevokeAccessorWithContext(ctx, accessor); err != nil {
			return revoked, fmt.Errorf("revoke a token of the role %s: %w", role.Name, err)
		}
		revoked++
	}
	return revoked, nil
}
