package vaultbackend

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Methods of logging in, as values of AuthConfig.Method.
const (
	// MethodAppRole logs in with a role-id and a secret-id.
	MethodAppRole = "approle"
	// MethodToken uses the token in a file that somebody else keeps fresh,
	// such as a sink of Vault Agent.
	MethodToken = "token"
)

// Config says where the key is and how to log in. It holds no secret: those
// are read from files at every login.
type Config struct {
	// Address is Vault's URL, https://host:port. Plain http is accepted for
	// loopback only, where an agent or a proxy on the same node may listen.
	Address string `mapstructure:"address" help:"Vault's URL (required)"`
	// Namespace of the Transit mount (Vault Enterprise, OpenBao); empty for the
	// root namespace.
	Namespace string `mapstructure:"namespace" help:"namespace of the Transit mount"`
	// CAFile is a PEM bundle that Vault's certificate must chain to. Empty
	// means the system's own roots.
	CAFile string `mapstructure:"ca-file" help:"PEM bundle that Vault's certificate must chain to; empty means the system's roots"`
	// ServerName is checked in Vault's certificate instead of Address's host.
	ServerName string `mapstructure:"server-name" help:"name to check in Vault's certificate instead of the address's host"`
	// Mount is the path of the Transit engine.
	Mount string `mapstructure:"mount" help:"path of the Transit engine"`
	// Key is the name of the Transit key.
	Key string `mapstructure:"key" help:"name of the Transit key (required)"`
	// Auth says how to log in.
	Auth AuthConfig `mapstructure:"auth"`
}

// AuthConfig says how to log in to Vault.
type AuthConfig struct {
	// Method is MethodAppRole or MethodToken.
	Method string `mapstructure:"method" help:"how to log in: approle or token"`
	// Mount is the path of the auth method; empty means the method's name.
	Mount string `mapstructure:"mount" help:"path of the auth method; empty means the method's name"`
	// Namespace of the auth method; empty means that of the key, "root" the
	// root namespace.
	Namespace string `mapstructure:"namespace" help:"namespace of the auth method; empty means that of the key, root the root namespace"`
	// RoleID is AppRole's role-id, which is an identifier and no secret.
	RoleID string `mapstructure:"role-id" help:"AppRole role-id"`
	// RoleIDFile holds the role-id instead.
	RoleIDFile string `mapstructure:"role-id-file" help:"file with the AppRole role-id"`
	// SecretIDFile holds AppRole's secret-id. It is read again at every login.
	SecretIDFile string `mapstructure:"secret-id-file" help:"file with the AppRole secret-id, read again at every login"`
	// TokenFile holds the token for MethodToken. It is read again when it
	// changes and when Vault refuses the token.
	TokenFile string `mapstructure:"token-file" help:"file with a token that somebody else keeps fresh, such as a sink of Vault Agent"`
}

// DefaultConfig returns what is in force where the configuration says nothing.
func DefaultConfig() Config {
	return Config{Mount: "transit", Auth: AuthConfig{Method: MethodAppRole}}
}

var (
	// Vault's own rule for names in paths (framework.GenericNameRegex).
	keyName = regexp.MustCompile(`^\w(([\w.-]+)?\w)?$`)
	// A path of such names. Nothing in it can leave its place in a URL.
	mountPath = regexp.MustCompile(`^\w[\w.-]*(/\w[\w.-]*)*$`)
)

// Validate reports every impossible value by the path of its key.
func (c Config) Validate() error {
	c = c.canonical()
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("vault.%s: %w", key, fmt.Errorf(format, args...)))
	}
	path := func(key, value string) {
		if value != "" && !mountPath.MatchString(value) {
			bad(key, "%q is not a path of letters, digits, '-', '_' and '.'", value)
		}
	}

	if err := checkAddress(c.Address); err != nil {
		bad("address", "%w", err)
	}
	path("namespace", c.Namespace)
	if c.Mount == "" {
		bad("mount", "name the path of the Transit engine, such as transit")
	}
	path("mount", c.Mount)
	switch {
	case c.Key == "":
		bad("key", "name the Transit key")
	case !keyName.MatchString(c.Key):
		bad("key", "%q is not a name of letters, digits, '-', '_' and '.'", c.Key)
	}
	path("auth.mount", c.Auth.Mount)
	path("auth.namespace", c.Auth.Namespace)

	switch c.Auth.Method {
	case MethodAppRole:
		switch {
		case c.Auth.RoleID == "" && c.Auth.RoleIDFile == "":
			bad("auth.role-id", "give the AppRole's role-id, here or in auth.role-id-file")
		case c.Auth.RoleID != "" && c.Auth.RoleIDFile != "":
			bad("auth.role-id", "set either this or auth.role-id-file, not both")
		}
		if c.Auth.SecretIDFile == "" {
			bad("auth.secret-id-file", "name the file that holds the AppRole's secret-id")
		}
		if c.Auth.TokenFile != "" {
			bad("auth.token-file", "has no meaning for auth.method %s", c.Auth.Method)
		}
	case MethodToken:
		if c.Auth.TokenFile == "" {
			bad("auth.token-file", "name the file that holds the token")
		}
		if c.Auth.RoleID != "" || c.Auth.RoleIDFile != "" || c.Auth.SecretIDFile != "" {
			bad("auth", "role-id and secret-id have no meaning for auth.method %s", c.Auth.Method)
		}
	default:
		bad("auth.method", "%q is neither %s nor %s", c.Auth.Method, MethodAppRole, MethodToken)
	}
	return errors.Join(errs...)
}

// canonical returns c with every path in the one form that key ids are computed
// from: "/transit/" and "transit" are the same mount.
func (c Config) canonical() Config {
	c.Namespace = canonicalNamespace(c.Namespace)
	c.Mount = strings.Trim(c.Mount, "/")
	if c.Auth.Namespace == "" {
		c.Auth.Namespace = c.Namespace
	} else {
		c.Auth.Namespace = canonicalNamespace(c.Auth.Namespace)
	}
	c.Auth.Mount = strings.Trim(c.Auth.Mount, "/")
	if c.Auth.Mount == "" {
		c.Auth.Mount = c.Auth.Method
	}
	return c
}

func canonicalNamespace(ns string) string {
	if ns = strings.Trim(ns, "/"); ns == "root" {
		return ""
	}
	return ns
}

// KeyPath returns namespace, mount and name of the key as one path.
func (c Config) KeyPath() string { return c.canonical().keyMount() + "/" + c.Key }

// keyMount returns the canonical "namespace/mount" of a canonical Config.
func (c Config) keyMount() string {
	if c.Namespace == "" {
		return c.Mount
	}
	return c.Namespace + "/" + c.Mount
}

func checkAddress(address string) error {
	if address == "" {
		return errors.New("give Vault's URL, such as https://vault.example.com:8200")
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL; it looks like https://vault.example.com:8200")
	}
	switch {
	case u.User != nil:
		// Not quoted: whatever is there may be a password.
		return errors.New("must not contain a user or a password")
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host; it looks like https://vault.example.com:8200", address)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has a query or a fragment", address)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%q would send the token and keys in the clear; use https (http is for loopback only)", address)
	default:
		return fmt.Errorf("%q is not an https URL", address)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
