package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/vault/api"
)

// CreateKey creates a Transit key. settings are those of the API, such as
// "type"; nil makes an aes256-gcm96 key.
func (v *Vault) CreateKey(ctx context.Context, name string, settings map[string]any) error {
	if _, err := v.Client().Logical().WriteWithContext(ctx, TransitMount+"/keys/"+name, settings); err != nil {
		return fmt.Errorf("create the Transit key %s: %w", name, err)
	}
	return nil
}

// ConfigureKey changes settings of a Transit key, such as
// "min_decryption_version" or "deletion_allowed".
func (v *Vault) ConfigureKey(ctx context.Context, name string, settings map[string]any) error {
	if _, err := v.Client().Logical().WriteWithContext(ctx, TransitMount+"/keys/"+name+"/config", settings); err != nil {
		return fmt.Errorf("configure the Transit key %s: %w", name, err)
	}
	return nil
}

// Rotate adds a version to a Transit key and returns its number.
func (v *Vault) Rotate(ctx context.Context, name string) (version int, err error) {
	client := v.Client().Logical()
	if _, err := client.WriteWithContext(ctx, TransitMount+"/keys/"+name+"/rotate", nil); err != nil {
		return 0, fmt.Errorf("rotate the Transit key %s: %w", name, err)
	}
	secret, err := client.ReadWithContext(ctx, TransitMount+"/keys/"+name)
	if err != nil {
		return 0, fmt.Errorf("read the Transit key %s: %w", name, err)
	}
	if secret == nil {
		return 0, fmt.Errorf("read the Transit key %s: it is gone", name)
	}
	number, _ := secret.Data["latest_version"].(json.Number)
	latest, err := number.Int64()
	if err != nil {
		return 0, fmt.Errorf("read the Transit key %s: latest_version is %v", name, secret.Data["latest_version"])
	}
	return int(latest), nil
}

// TokenPolicy is what a plugin's token may ask about itself. Alone it is what is
// left of a policy whose key was taken away. Roles here do not have Vault's own
// policy "default", which would grant the same.
const TokenPolicy = `path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
`

// KeyPolicy is the least that a plugin needs: a Transit key, and TokenPolicy.
func KeyPolicy(key string) string {
	return fmt.Sprintf(`path "%[1]s/keys/%[2]s" { capabilities = ["read"] }
path "%[1]s/encrypt/%[2]s" { capabilities = ["update"] }
path "%[1]s/decrypt/%[2]s" { capabilities = ["update"] }
path "%[1]s/hmac/%[2]s/sha2-256" { capabilities = ["update"] }
%[3]s`, TransitMount, key, TokenPolicy)
}

// PutPolicy creates or replaces an ACL policy.
func (v *Vault) PutPolicy(ctx context.Context, name, policy string) error {
	if err := v.Client().Sys().PutPolicyWithContext(ctx, name, policy); err != nil {
		return fmt.Errorf("write the policy %s: %w", name, err)
	}
	return nil
}

// EnableAppRole enables the auth method AppRole.
func (v *Vault) EnableAppRole(ctx context.Context) error {
	err := v.Client().Sys().EnableAuthWithOptionsWithContext(ctx, "approle", &api.EnableAuthOptions{Type: "approle"})
	if err != nil {
		return fmt.Errorf("enable AppRole: %w", err)
	}
	return nil
}

// AppRole is one role: what a plugin logs in with.
type AppRole struct {
	Name, RoleID string
	// SecretIDFile has mode 0600 and ends without a newline.
	SecretIDFile string
}

// AppRole creates a role that has only the given policy, and a secret-id for
// it. settings are those of the API and may override the defaults, such as
// "token_ttl"; nil for none.
func (v *Vault) AppRole(ctx context.Context, name, policy string, settings map[string]any) (AppRole, error) {
	if err := v.PutPolicy(ctx, name, policy); err != nil {
		return AppRole{}, err
	}
	path := "auth/approle/role/" + name
	all := map[string]any{"token_policies": name, "token_no_default_policy": true}
	maps.Copy(all, settings)
	client := v.Client().Logical()
	if _, err := client.WriteWithContext(ctx, path, all); err != nil {
		return AppRole{}, fmt.Errorf("create the role %s: %w", name, err)
	}
	secret, err := client.ReadWithContext(ctx, path+"/role-id")
	if err != nil {
		return AppRole{}, fmt.Errorf("read the id of the role %s: %w", name, err)
	}
	role := AppRole{Name: name, SecretIDFile: filepath.Join(v.dir, name+".secret-id")}
	if secret != nil {
		role.RoleID, _ = secret.Data["role_id"].(string)
	}
	if role.RoleID == "" {
		return AppRole{}, fmt.Errorf("read the id of the role %s: the answer has none", name)
	}
	return role, v.RenewSecretID(ctx, role)
}

// RenewSecretID puts a new secret-id into the role's file. Earlier ones stay
// valid.
func (v *Vault) RenewSecretID(ctx context.Context, role AppRole) error {
	return v.SecretIDFor(ctx, role, 0)
}

// SecretIDFor is RenewSecretID with an end, in whole seconds; 0 for none.
func (v *Vault) SecretIDFor(ctx context.Context, role AppRole, ttl time.Duration) error {
	secret, err := v.Client().Logical().WriteWithContext(ctx, "auth/approle/role/"+role.Name+"/secret-id",
		map[string]any{"ttl": int(ttl.Seconds())})
	if err != nil {
		return fmt.Errorf("make a secret-id for the role %s: %w", role.Name, err)
	}
	id, _ := secret.Data["secret_id"].(string)
	if id == "" {
		return fmt.Errorf("make a secret-id for the role %s: the answer has none", role.Name)
	}
	return writeFile(role.SecretIDFile, []byte(id))
}

// TokenFile makes a token that has only the given policy and returns the file,
// of mode 0600, that holds it. ttl is a Vault duration such as "1h".
func (v *Vault) TokenFile(ctx context.Context, name, policy, ttl string) (string, error) {
	if err := v.PutPolicy(ctx, name, policy); err != nil {
		return "", err
	}
	secret, err := v.Client().Logical().WriteWithContext(ctx, "auth/token/create-orphan",
		map[string]any{"policies": []string{name}, "no_default_policy": true, "ttl": ttl})
	if err != nil {
		return "", fmt.Errorf("make a token with the policy %s: %w", name, err)
	}
	if secret == nil || secret.Auth == nil {
		return "", fmt.Errorf("make a token with the policy %s: the answer has none", name)
	}
	file := filepath.Join(v.dir, name+".token")
	return file, writeFile(file, []byte(secret.Auth.ClientToken))
}

// EnableAudit turns on a file audit device and returns its file, to which all
// nodes append.
func (v *Vault) EnableAudit(ctx context.Context) (string, error) {
	file := filepath.Join(v.dir, "audit.log")
	_, err := v.Client().Logical().WriteWithContext(ctx, "sys/audit/file",
		map[string]any{"type": "file", "options": map[string]string{"file_path": file}})
	if err != nil {
		return "", fmt.Errorf("enable Vault's audit log: %w", err)
	}
	return file, nil
}

// writeFile replaces a file in one step, so that a reader sees the old content
// or the new, never a part.
func writeFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
