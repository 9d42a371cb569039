package vaultbackend

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

// Config says where the key is and how to log in.
type Config struct {
	client.Config `mapstructure:",squash"`
	// Mount is the path of the Transit engine.
	Mount string `mapstructure:"mount" help:"path of the Transit engine"`
	// Key is the name of the Transit key.
	Key string `mapstructure:"key" help:"name of the Transit key (required)"`
}

// DefaultConfig returns what is in force where the configuration says nothing.
func DefaultConfig() Config {
	return Config{Mount: "transit", Config: client.Config{Auth: client.AuthConfig{Method: client.MethodAppRole}}}
}

// Validate reports every impossible value by the path of its key.
func (c Config) Validate() error {
	c = c.canonical()
	errs := []error{c.Config.Validate()}
	bad := func(key string, err error) { errs = append(errs, fmt.Errorf("vault.%s: %w", key, err)) }
	if c.Mount == "" {
		bad("mount", errors.New("name the path of the Transit engine, such as transit"))
	} else if err := client.CheckPath(c.Mount); err != nil {
		bad("mount", err)
	}
	if c.Key == "" {
		bad("key", errors.New("name the Transit key"))
	} else if err := client.CheckName(c.Key); err != nil {
		bad("key", err)
	}
	return errors.Join(errs...)
}

// canonical returns c with every path in the one form that key ids are computed
// from: "/transit/" and "transit" are the same mount.
func (c Config) canonical() Config {
	c.Config, c.Mount = c.Config.Canonical(), strings.Trim(c.Mount, "/")
	return c
}

// KeyPath returns namespace, mount and name of the key as one path.
func (c Config) KeyPath() string { return c.canonical().keyMount() + "/" + c.Key }

// keyMount returns "namespace/mount" of a canonical Config.
func (c Config) keyMount() string { return strings.TrimPrefix(c.Namespace+"/"+c.Mount, "/") }

// keyPath returns the path of the key under one of Transit's endpoints.
func (c Config) keyPath(endpoint string) string { return c.Mount + "/" + endpoint + "/" + c.Key }
