package doctor

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Facts is everything that checks look at. An Err says why a fact is missing;
// it never contains a secret.
type Facts struct {
	// Now is this node's clock.
	Now    time.Time
	Config Config
	Node   Node
	Socket Socket
	Files  []File
	Vaults []Vault
	// Encryption is the API server's EncryptionConfiguration; nil if none was
	// named.
	Encryption *Encryption
}

// Config is what the configuration says that a check needs.
type Config struct {
	Envelope       string
	OnRefusal      string
	ReportAfter    time.Duration
	RequestTimeout time.Duration
	LockMemory     bool
	Lease          time.Duration
	// AllowUIDs are the users of socket.allow-uids; nil if it is empty.
	// AllowUIDsErr says which of them is unknown here.
	AllowUIDs    []int
	AllowUIDsErr string
}

// Node is this machine, and the plugin that runs on it.
type Node struct {
	// UID is the user that runs doctor.
	UID int
	// Swap names the active swap devices.
	Swap    []string
	SwapErr string
	// Plugin is the process that listens on the socket; nil if none does.
	Plugin *hostfacts.Process
	// PluginErr is why nothing is known about it although it listens. Hidden is set
	// where that is expected.
	PluginErr string
	Hidden    bool
	// Rights are the plugin's; nil if they are unknown.
	Rights *hostfacts.Rights
	// APIServers are the kube-apiservers that are visible here; APIServersErr is why
	// none is.
	APIServers    []APIServer
	APIServersErr string
}

// APIServer is a kube-apiserver, and what it finds at the socket's path.
type APIServer struct {
	hostfacts.Process
	Finds hostfacts.Seen
}

// Socket is the path that the plugin serves.
type Socket struct {
	hostfacts.Socket
	// Answer is the plugin's answer, if it listens.
	Answer Answer
}

// Answer is what a plugin says about itself.
type Answer struct {
	// Err is why there is no answer.
	Err     string
	Serving bool
	// Reason is why it does not serve, or only reads.
	Reason string
	// OnRefusal is the setting in force; empty if the answer has none.
	OnRefusal string
	// ServesRefused is whether it serves a key that Vault refuses.
	ServesRefused bool
}

// File is one that the configuration names.
type File struct {
	Key    string // the configuration key: "vault.auth.secret-id-file"
	Name   string
	Secret bool
	// Later is set for a file that need not exist: the plugin makes it, or it is
	// removed after use.
	Later bool
	// Foreign is set for a file that others read, not the plugin.
	Foreign bool
	Path    hostfacts.Path
	// OpenErr is why this process cannot read it.
	OpenErr string
	// Empty is whether it holds nothing.
	Empty bool
	// Parent is its directory, and Way every directory from the root to the file
	// itself, links resolved.
	Parent hostfacts.Path
	Way    []hostfacts.Path
	// Certificates are those in a PEM file.
	Certificates []Certificate
}

// Certificate is one X.509 certificate.
type Certificate struct {
	Subject   string
	NotBefore time.Time
	NotAfter  time.Time
}

// DescribeAll returns the fields of certificates that checks look at.
func DescribeAll(certificates []*x509.Certificate) []Certificate {
	described := make([]Certificate, len(certificates))
	for i, c := range certificates {
		described[i] = Certificate{Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	return described
}

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

// Encryption is an EncryptionConfiguration.
type Encryption struct {
	File string
	Err  string
	// Secrets are the providers of Secrets in order, the first of which writes.
	Secrets []Provider
}

// HoldsKeys reports whether the file contains keys, or could: one that was not
// read could.
func (e Encryption) HoldsKeys() bool {
	return e.Err != "" || slices.ContainsFunc(e.Secrets, func(p Provider) bool { return p.Kind != "identity" && p.Endpoint == "" })
}

// Provider is one provider of a resource.
type Provider struct {
	// Kind is "identity", "aescbc", "aesgcm", "secretbox", "kms v1" or "kms v2".
	Kind     string
	Name     string
	Endpoint string
	Timeout  time.Duration
}
