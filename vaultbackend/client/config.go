package client

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Methods of logging in, as values of AuthConfig.Method.
const (
	// MethodAppRole logs in with a role-id and a secret-id.
	MethodAppRole = "approle"
	// MethodCert logs in with the TLS certificate of Config.ClientCertFile.
	MethodCert = "cert"
	// MethodJWT logs in with a JWT that another program keeps fresh.
	MethodJWT = "jwt"
	// MethodKubernetes logs in with the token of a service account.
	MethodKubernetes = "kubernetes"
	// MethodToken uses the token in a file that another program keeps fresh, such
	// as a sink of Vault Agent.
	MethodToken = "token"
)

// serviceAccountToken is where kubelet puts the token into a pod.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Config says where Vault is and how to log in. It holds no secret: those are
// read from files at every login.
type Config struct {
	// Address lists the URLs, https://host:port, of the nodes of one Vault
	// cluster, or of load balancers before it. The first is preferred. Plain
	// http is accepted for loopback only, where an agent or a proxy on the same
	// node may listen.
	Address []string `mapstructure:"address" help:"URLs of Vault's nodes, or of a load balancer before them; the first is preferred (required)"`
	// Namespace that requests are made in (Vault Enterprise, OpenBao); empty for
	// the root namespace.
	Namespace string `mapstructure:"namespace" help:"namespace of the Transit mount"`
	// CAFile is a PEM bundle that Vault's certificate must chain to. Empty
	// means the system's own roots. Each new connection sees its changes.
	CAFile string `mapstructure:"ca-file" help:"PEM bundle that Vault's certificate must chain to, read again when it changes; empty means the system's roots"`
	// ServerName is checked in Vault's certificate instead of Address's host.
	ServerName string `mapstructure:"server-name" help:"name to check in Vault's certificate instead of the address's host"`
	// ClientCertFile and ClientKeyFile are what this process shows to a Vault
	// that asks for a certificate, and what MethodCert logs in with. Each new
	// connection sees their changes.
	ClientCertFile string `mapstructure:"client-cert-file" help:"PEM certificate to show to Vault, read again when it changes"`
	ClientKeyFile  string `mapstructure:"client-key-file" help:"PEM private key of the certificate to show to Vault"`
	// Auth says how to log in.
	Auth AuthConfig `mapstructure:"auth"`
}

// AuthConfig says how to log in to Vault.
type AuthConfig struct {
	// Method is one of the Method constants.
	Method string `mapstructure:"method" help:"how to log in: approle, cert, jwt, kubernetes or token"`
	// Mount is the path of the auth method; empty means the method's name.
	Mount string `mapstructure:"mount" help:"path of the auth method; empty means the method's name"`
	// Namespace of the auth method; empty means that of the key, "root" the
	// root namespace.
	Namespace string `mapstructure:"namespace" help:"namespace of the auth method; empty means that of the key, root the root namespace"`
	// Role is the name of the role. MethodKubernetes needs it, MethodJWT and
	// MethodCert may leave it to Vault, MethodAppRole needs it only to check
	// where a wrapped secret-id comes from.
	Role string `mapstructure:"role" help:"name of the role (kubernetes, jwt, cert; approle with a wrapped secret-id)"`
	// RoleID is AppRole's role-id, which is an identifier and no secret.
	RoleID string `mapstructure:"role-id" help:"AppRole role-id"`
	// RoleIDFile holds the role-id instead.
	RoleIDFile string `mapstructure:"role-id-file" help:"file with the AppRole role-id"`
	// SecretIDFile holds AppRole's secret-id. It is read again at every login.
	SecretIDFile string `mapstructure:"secret-id-file" help:"file with the AppRole secret-id, read again at every login"`
	// UnwrappedSecretIDFile says that SecretIDFile holds a wrapping token, and
	// where to keep, with mode 0600, the secret-id that it is exchanged for.
	UnwrappedSecretIDFile string `mapstructure:"unwrapped-secret-id-file" help:"set if secret-id-file holds a wrapping token: file to keep the unwrapped secret-id in, across restarts"`
	// JWTFile holds the JWT for MethodJWT and MethodKubernetes, for which it is
	// by default where kubelet puts it. It is read again at every login.
	JWTFile string `mapstructure:"jwt-file" help:"file with the JWT, read again at every login (jwt; kubernetes, where it is the service account's by default)"`
	// TokenFile holds the token for MethodToken. It is read again when it
	// changes and when Vault refuses the token.
	TokenFile string `mapstructure:"token-file" help:"file with a token that another program keeps fresh, such as a sink of Vault Agent"`
}

var (
	// Vault's own rule for names in paths (framework.GenericNameRegex).
	namePattern = regexp.MustCompile(`^\w(([\w.-]+)?\w)?$`)
	// A path of such names. Nothing in it can leave its place in a URL.
	pathPattern = regexp.MustCompile(`^\w[\w.-]*(/\w[\w.-]*)*$`)
)

// CheckName reports what is not the name of a key or a role.
func CheckName(value string) error {
	if !namePattern.MatchString(value) {
		return fmt.Errorf("%q is not a name of letters, digits, '-', '_' and '.'", value)
	}
	return nil
}

// CheckPath reports what is not the path of a mount or a namespace.
func CheckPath(value string) error {
	if !pathPattern.MatchString(value) {
		return fmt.Errorf("%q is not a path of letters, digits, '-', '_' and '.'", value)
	}
	return nil
}

// Validate reports every impossible value by the path of its key.
func (c Config) Validate() error {
	c = c.Canonical()
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("vault.%s: %w", key, fmt.Errorf(format, args...)))
	}
	if len(c.Address) == 0 {
		bad("address", "give Vault's URL, such as https://vault.example.com:8200")
	}
	for i, address := range c.Address {
		if err := checkAddress(address); err != nil {
			bad("address", "%w", err)
		} else if slices.Contains(c.Address[:i], address) {
			bad("address", "%s is listed twice", address)
		}
	}
	if (c.ClientCertFile == "") != (c.ClientKeyFile == "") {
		bad("client-cert-file", "set both this and client-key-file, or neither")
	}
	for _, p := range []struct{ key, value string }{
		{"namespace", c.Namespace}, {"auth.mount", c.Auth.Mount}, {"auth.namespace", c.Auth.Namespace},
	} {
		if p.value == "" {
			continue
		}
		if err := CheckPath(p.value); err != nil {
			bad(p.key, "%w", err)
		}
	}
	c.validateAuth(bad)
	return errors.Join(errs...)
}

func (c Config) validateAuth(bad func(key, format string, args ...any)) {
	a := c.Auth
	switch a.Method {
	case MethodAppRole:
		switch {
		case a.RoleID == "" && a.RoleIDFile == "":
			bad("auth.role-id", "give the AppRole's role-id, here or in auth.role-id-file")
		case a.RoleID != "" && a.RoleIDFile != "":
			bad("auth.role-id", "set either this or auth.role-id-file, not both")
		}
		if a.SecretIDFile == "" {
			bad("auth.secret-id-file", "name the file that holds the AppRole's secret-id")
		}
		switch {
		case a.UnwrappedSecretIDFile == "" && a.Role != "":
			bad("auth.role", "has no meaning for auth.method %s without auth.unwrapped-secret-id-file", a.Method)
		case a.UnwrappedSecretIDFile != "" && a.Role == "":
			bad("auth.role", "name the AppRole: the wrapped secret-id is checked to be one of its own")
		case a.UnwrappedSecretIDFile != "" && a.UnwrappedSecretIDFile == a.SecretIDFile:
			bad("auth.unwrapped-secret-id-file", "must be another file than auth.secret-id-file, which holds the wrapping token")
		}
	case MethodCert:
		if c.ClientCertFile == "" {
			bad("client-cert-file", "name the certificate to log in with")
		}
		if slices.ContainsFunc(c.Address, func(address string) bool { return strings.HasPrefix(address, "http:") }) {
			bad("auth.method", "%s needs https addresses: over http no certificate is shown", a.Method)
		}
	case MethodJWT:
		if a.JWTFile == "" {
			bad("auth.jwt-file", "name the file that holds the JWT")
		}
	case MethodKubernetes:
		if a.Role == "" {
			bad("auth.role", "name the role of the Kubernetes auth method")
		}
	case MethodToken:
		if a.TokenFile == "" {
			bad("auth.token-file", "name the file that holds the token")
		}
		if a.Mount != MethodToken {
			bad("auth.mount", "has no meaning for auth.method %s", a.Method)
		}
	default:
		bad("auth.method", "%q is none of %s", a.Method, strings.Join(Methods(), ", "))
		return
	}
	if a.Role != "" {
		if err := CheckName(a.Role); err != nil {
			bad("auth.role", "%w", err)
		}
	}
	// What is set and would silently be ignored is most likely meant for
	// another method.
	for _, key := range []struct {
		name, value string
		methods     []string
	}{
		{"role", a.Role, []string{MethodAppRole, MethodCert, MethodJWT, MethodKubernetes}},
		{"role-id", a.RoleID, []string{MethodAppRole}},
		{"role-id-file", a.RoleIDFile, []string{MethodAppRole}},
		{"secret-id-file", a.SecretIDFile, []string{MethodAppRole}},
		{"unwrapped-secret-id-file", a.UnwrappedSecretIDFile, []string{MethodAppRole}},
		{"jwt-file", a.JWTFile, []string{MethodJWT, MethodKubernetes}},
		{"token-file", a.TokenFile, []string{MethodToken}},
	} {
		if key.value != "" && !slices.Contains(key.methods, a.Method) {
			bad("auth."+key.name, "has no meaning for auth.method %s", a.Method)
		}
	}
}

// Methods lists the values of AuthConfig.Method.
func Methods() []string {
	return []string{MethodAppRole, MethodCert, MethodJWT, MethodKubernetes, MethodToken}
}

// Canonical returns c with every address and path in one form: "/team/" and "team"
// are the same namespace. What is canonical stays as it is.
func (c Config) Canonical() Config {
	addresses := make([]string, len(c.Address))
	for i, address := range c.Address {
		addresses[i] = strings.TrimRight(strings.TrimSpace(address), "/")
	}
	c.Address = addresses
	c.Namespace = canonicalNamespace(c.Namespace)
	if c.Auth.Namespace == "" {
		c.Auth.Namespace = c.Namespace
	}
	// Empty it would mean that of the key, were this done again.
	c.Auth.Namespace = cmp.Or(canonicalNamespace(c.Auth.Namespace), rootNamespace)
	c.Auth.Mount = strings.Trim(c.Auth.Mount, "/")
	if c.Auth.Mount == "" {
		c.Auth.Mount = c.Auth.Method
	}
	if c.Auth.Method == MethodKubernetes && c.Auth.JWTFile == "" {
		c.Auth.JWTFile = serviceAccountToken
	}
	return c
}

// rootNamespace is what Vault calls the namespace without a name.
const rootNamespace = "root"

// LoginNamespace returns the namespace of the auth method of a canonical Config,
// in the form of Namespace.
func (c Config) LoginNamespace() string { return canonicalNamespace(c.Auth.Namespace) }

func canonicalNamespace(ns string) string {
	if ns = strings.Trim(ns, "/"); ns == rootNamespace {
		return ""
	}
	return ns
}

// Addresses returns Vault's addresses, each in one form however it was written.
func (c Config) Addresses() []string { return c.Canonical().Address }

func checkAddress(address string) error {
	if address == "" {
		return errors.New("is empty; it looks like https://vault.example.com:8200")
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL; it looks like https://vault.example.com:8200")
	}
	switch {
	case u.User != nil:
		// Not quoted: it may hold a password.
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
