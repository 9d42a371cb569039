// Package vaultfacts is what was found of Vault and of a Transit key, as plain values:
// vaultbackend gathers it, kmsplugin/doctor judges it. An Err says why a fact is
// missing; it never holds a credential.
package vaultfacts

import "time"

// Vault is what was found for one section of the configuration.
type Vault struct {
	Section   string // "vault", "previous[0]"
	KeyPath   string // namespace, mount and name
	Addresses []Address
	Login     Login
	// Needed are the paths of the policy, TooMuch paths that should be denied.
	Needed, TooMuch []Capability
	// CapabilitiesErr is why the token's capabilities are unknown.
	CapabilitiesErr string
	// Trials are requests of the kind that the plugin makes.
	Trials []Trial
	Key    Key
	Audit  Audit
}

// Address is one URL of Vault.
type Address struct {
	URL  string
	Host string
	// ResolveErr, ConnectErr and TLSErr name the step that failed.
	ResolveErr string
	IPs        []string
	// Canonical is the canonical name in DNS.
	Canonical  string
	ConnectErr string
	Plain      bool // http
	TLSErr     string
	TLSVersion string
	Chain      []Certificate // the server's own first
	// HealthErr is why sys/health could not be read.
	HealthErr                    string
	Version                      string
	Initialised, Sealed, Standby bool
	// Ahead is how far Vault's clock is ahead of this node's; ClockKnown is false
	// without an answer.
	Ahead      time.Duration
	ClockKnown bool
}

// Certificate is one X.509 certificate.
type Certificate struct {
	Subject   string
	NotBefore time.Time
	NotAfter  time.Time
}

// Login is the result of logging in.
type Login struct {
	Method string
	// Skipped is why it was not tried.
	Skipped string
	Err     string
	// SelfLookupErr is why the token could not look itself up.
	SelfLookupErr string
	// Reviewer is the API server that a Kubernetes auth method asks; empty if it
	// could not be read.
	Reviewer string
	// Issuer is the issuer of the JWT that logs in, if one does.
	Issuer string
}

// Capability is what the plugin's token may do with a path.
type Capability struct {
	Path string
	Want []string // what the plugin needs; none if it should be denied
	Have []string // as Vault reports it
	// Meaning says what an attacker could do with it.
	Meaning string
}

// Trial is one request of the kind that the plugin makes.
type Trial struct {
	What string
	Err  string
}

// Key is what Vault says about a Transit key.
type Key struct {
	Err                  string
	Type                 string
	Derived              bool
	Convergent           bool
	Exportable           bool
	DeletionAllowed      bool
	AllowPlaintextBackup bool
	ImportedKey          bool
	AutoRotate           time.Duration
	Latest               int
	MinDecryption        int
	MinEncryption        int
	MinAvailable         int
	Versions             int
}

// Audit is whether Vault keeps an audit log.
type Audit struct {
	Devices []string
	// Err is why that could not be read.
	Err string
}
