package vaultbackend

import (
	"time"

	"github.com/sealproof/sealproof/vaultbackend/client"
)

// Facts are what Inspect found of one section of the configuration. An Err says why
// a fact is missing; it never holds a credential.
type Facts struct {
	Section   string // "vault", "previous[0]"
	KeyPath   string // namespace, mount and name
	Addresses []client.Address
	Login     Login
	// Needed are the paths of the policy, TooMuch others that should be denied.
	Needed, TooMuch []Capability
	// CapabilitiesErr is why Vault was not asked, or did not say.
	CapabilitiesErr string
	// Trials are requests such as the plugin makes.
	Trials []Trial
	Key    KeyFacts
	Audit  Audit
}

// Login is what came of logging in.
type Login struct {
	Method        string
	Skipped       string // why it was not tried
	Err           string
	SelfLookupErr string // why the token could not look itself up
	// Reviewer is the API server that a Kubernetes auth method asks, where that
	// could be read.
	Reviewer string
	Issuer   string // of the JWT that logs in, if one does
}

// Capability is what the plugin's token may do with a path.
type Capability struct {
	Path    string
	Want    []string // what the plugin needs; none if it should be denied
	Have    []string // as Vault reports it
	Meaning string   // what an attacker could do with it
}

// Trial is one request such as the plugin makes.
type Trial struct {
	What string
	Err  string
}

// KeyFacts are what Vault says about a Transit key.
type KeyFacts struct {
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
	Err     string // why that could not be read
}
