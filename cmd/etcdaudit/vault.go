package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/vaultbackend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// vaultPart says where the Transit key is. The token is in a file.
type vaultPart struct {
	Address    []string `mapstructure:"vault-address" help:"URLs of Vault's nodes, or of a load balancer before them"`
	Namespace  string   `mapstructure:"vault-namespace" help:"namespace of the Transit mount"`
	CAFile     string   `mapstructure:"vault-ca-file" help:"PEM bundle that Vault's certificate must chain to (default: the system's roots)"`
	ServerName string   `mapstructure:"vault-server-name" help:"name to check in Vault's certificate instead of the address's host"`
	Mount      string   `mapstructure:"vault-mount" help:"path of the Transit engine"`
	Key        string   `mapstructure:"vault-key" help:"name of the Transit key"`
	TokenFile  string   `mapstructure:"vault-token-file" help:"file with a Vault token that may read keys/KEY, and for --transit update decrypt/KEY"`
}

// vaultFlags are the flags of vaultPart.
func vaultFlags() []string {
	return []string{"vault-address", "vault-namespace", "vault-ca-file", "vault-server-name", "vault-mount", "vault-key", "vault-token-file"}
}

// config is of the key, once it was checked.
func (v vaultPart) config() (vaultbackend.Config, error) {
	of := vaultbackend.Config{
		Config: client.Config{
			Address: v.Address, Namespace: v.Namespace, CAFile: v.CAFile, ServerName: v.ServerName,
			Auth: client.AuthConfig{Method: client.MethodToken, TokenFile: v.TokenFile},
		},
		Mount: v.Mount, Key: v.Key,
	}
	if err := of.Validate(); err != nil {
		return of, flagError(err)
	}
	if err := cmp.Or(usable(v.TokenFile), client.CheckCredential(v.TokenFile)); err != nil {
		return of, fmt.Errorf("vault-token-file: %w", err)
	}
	return of, nil
}

// warnOfToken says if others can read the token.
func (a *auditRun) warnOfToken() {
	if info, err := os.Stat(a.Vault.TokenFile); err == nil && info.Mode().Perm()&0o077 != 0 {
		a.say("vault-token-file: %s has mode %04o, and others may use the token in it: chmod 600, and write it under umask 077", a.Vault.TokenFile, info.Mode().Perm())
	}
}

// configs are those of the key that is asked for, and of others by their paths; none where Vault is
// not to be asked.
func (v vaultPart) configs(others []string) (all []vaultbackend.Config, err error) {
	if v.Key == "" {
		return nil, nil
	}
	of, err := v.config()
	if err != nil {
		return nil, err
	}
	all = append(all, of)
	for _, path := range others {
		at := strings.LastIndexByte(path, '/')
		if at >= 0 {
			of.Mount, of.Key = path[:at], path[at+1:]
		}
		if at <= 0 || of.Validate() != nil {
			return nil, fmt.Errorf("vault-other-key: %q: want MOUNT/NAME", path)
		}
		all = append(all, of)
	}
	return all, nil
}

// flagError is the first mistake in settings of the key, by the name of this program's flag in the
// place of the plugin's setting.
func flagError(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	for _, setting := range []string{"vault.auth.", "vault."} {
		if rest, ok := strings.CutPrefix(text, setting); ok {
			return errors.New("vault-" + rest)
		}
	}
	return err
}

// transitKey asks Vault for one key. The key_ids of its versions are computed as the plugin does it.
func transitKey(ctx context.Context, c vaultbackend.Config, timeout time.Duration) (key keyusage.TransitKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begin := time.Now()
	vault, err := vaultbackend.New(c, slog.New(slog.DiscardHandler), func() time.Duration { return time.Since(begin) }, nil)
	if err != nil {
		return key, cli.Usage(flagError(err))
	}
	defer vault.Close()
	read, err := vault.ReadKey(ctx)
	if err != nil {
		return key, err
	}
	key = keyusage.TransitKey{Path: c.KeyPath(), Latest: read.Latest, MinDecryption: read.MinDecryption}
	for version, created := range read.Created {
		key.Versions = append(key.Versions, keyusage.Version{
			Number: uint32(version), KeyID: envelope.KeyID(read.Mount, read.Name, version, created), Created: created, Listed: true, //nolint:gosec // counts from 1
		})
	}
	return key, nil
}

// checkVersion returns an error where a version of an earlier register has not the key_id that
// follows from where it is and when it was created.
func checkVersion(path string, v keyusage.Version) error {
	at := strings.LastIndexByte(path, '/')
	if at <= 0 || envelope.KeyID(path[:at], path[at+1:], int(v.Number), v.Created) != v.KeyID {
		return fmt.Errorf("key_id %s is not that of version %d of %s, created %s: the file was changed", v.KeyID, v.Number, path, v.Created.Format(time.RFC3339))
	}
	return nil
}
