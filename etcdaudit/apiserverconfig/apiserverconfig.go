// Package apiserverconfig says what a kube-apiserver was told on its command line, parsed
// as the API server's own flag package (spf13/pflag) parses it. It is pure.
package apiserverconfig

// Config is what matters here of one kube-apiserver's command line.
type Config struct {
	// Given are the flags that were written, by name without dashes, each with its values
	// in order. A flag that takes a list has the list's items. Those in Unknown have no values
	// here: what is not known may be a secret.
	Given map[string][]string
	// Refused is why the API server would not start; empty if it would, as far as its flags
	// decide. Unknown flags are listed in Unknown and do not make it so: they may be of
	// another release.
	Refused string
	Unknown []string

	// Etcds are all etcds it uses: the one of --etcd-servers first, then those of
	// --etcd-servers-overrides.
	Etcds                         []Etcd
	EtcdCA, EtcdCert, EtcdKey     string
	EtcdPrefix                    string // "/registry" by default
	EncryptionConfig              string
	EncryptionReload              bool
	AnonymousAuth                 bool // true by default, unless AuthenticationConfig decides
	AuthenticationConfig          string
	AuthorizationModes            []string // AlwaysAllow by default, unless AuthorizationConfig decides
	AuthorizationConfig           string
	TokenAuthFile                 string
	AuditPolicy                   string
	AuditLog, AuditWebhook        string
	TLSCert, TLSKey, ClientCA     string
	TLSMinVersion                 string
	CipherSuites                  []string
	KubeletClientCert             string
	BindAddress, AdvertiseAddress string
	SecurePort                    int
	FeatureGates                  map[string]bool
}

// AlwaysAllow is the authorizer that allows what none before it has denied.
const AlwaysAllow = "AlwaysAllow"

// Authorizers returns the types of authorizers that kube-apiserver has.
func Authorizers() []string {
	return []string{AlwaysAllow, "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node"}
}

// Etcd is one etcd that an API server uses.
type Etcd struct {
	// Resource is "group/resource" as the override writes it ("/secrets"); empty for the
	// default etcd.
	Resource string
	Servers  []string
}

// Secrets returns the etcd that holds Secrets: an override of the resource wins over one of
// its whole group ("/*"), and that over the default (DefaultStorageFactory.NewConfig).
func (c Config) Secrets() (found Etcd) {
	for _, resource := range []string{"", "/*", "/secrets"} {
		for _, e := range c.Etcds {
			if e.Resource == resource {
				found = e
			}
		}
	}
	return found
}
