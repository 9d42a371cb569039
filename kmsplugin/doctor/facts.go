package doctor

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Facts is everything that checks look at. An Err says why a fact is missing;
// it never holds what a credential file holds.
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
	// UID is the user that looks.
	UID int
	// Swap names the active swap devices.
	Swap    []string
	SwapErr string
	// Plugin is the process that listens on the socket; nil if none does.
	Plugin *hostfacts.Process
	// PluginErr is why nothing is known of it although it listens; Hidden is set
	// where that is how things are meant to be.
	PluginErr string
	Hidden    bool
	// Rights are the plugin's, wherever they were learnt; nil if they were not.
	Rights *hostfacts.Rights
	// APIServers are the kube-apiservers that run here, as far as they are seen;
	// APIServersErr is why none can be.
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
	// Answer is what the plugin said when it was asked, if it listens.
	Answer Answer
}

// Answer is what a plugin says of itself.
type Answer struct {
	// Err is why it said nothing.
	Err     string
	Serving bool
	// Reason is why it does not serve, or only reads.
	Reason string
	// OnRefusal is the setting in force; empty if the plugin does not tell.
	OnRefusal string
	// ServesRefused is whether it serves a key that Vault refuses.
	ServesRefused bool
}

// File is one that the configuration names.
type File struct {
	Key    string // the configuration key: "vault.auth.secret-id-file"
	Name   string
	Secret bool
	// Later is set for a file that need not be there: the plugin makes it, or
	// it is taken away once it was used.
	Later bool
	// Foreign is set for a file that others read, not the plugin.
	Foreign bool
	Path    hostfacts.Path
	// OpenErr is why this process cannot read it.
	OpenErr string
	// Empty is whether it holds nothing.
	Empty bool
	// Parent is the directory that holds it, and Way all directories on the way
	// to where it lies in the end, from the root on.
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

// DescribeAll returns what doctor looks at of certificates.
func DescribeAll(certificates []*x509.Certificate) []Certificate {
	described := make([]Certificate, len(certificates))
	for i, c := range certificates {
		described[i] = Certificate{Subject: c.Subject.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
	}
	return described
}

// Vault is what was found of one section of the configuration.
type Vault struct {
	Section   string // "vault", "previous[0]"
	KeyPath   string // namespace, mount and name
	Addresses []Address
	Login     Login
	// Needed are the paths of the policy, TooMuch others that should be denied.
	Needed, TooMuch []Capability
	// CapabilitiesErr is why Vault was not asked, or did not say.
	CapabilitiesErr string
	// Trials are requests such as the plugin makes.
	Trials []Trial
	Key    Key
	Audit  Audit
}

// Address is one URL of Vault.
type Address struct {
	URL  string
	Host string
	// ResolveErr, ConnectErr and TLSErr say at which step it ended.
	ResolveErr string
	IPs        []string
	// Canonical is the name that DNS leads to.
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
	// Ahead is how far Vault's clock is ahead of this node's; ClockKnown is
	// false where it was not said.
	Ahead      time.Duration
	ClockKnown bool
}

// Login is what came of logging in.
type Login struct {
	Method string
	// Skipped is why it was not tried.
	Skipped string
	Err     string
	// SelfLookupErr is why the token could not look itself up.
	SelfLookupErr string
	// Reviewer is the API server that a Kubernetes auth method asks, where that
	// could be read.
	Reviewer string
	// Issuer is the issuer of the JWT that logs in, if one does.
	Issuer string
}

// Capability is what the plugin's token may do with a path.
type Capability struct {
	Path string
	Want []string // what the plugin needs; none if it should be denied
	Have []string // as Vault reports it
	// Meaning says what could be done with it by whoever should not.
	Meaning string
}

// Trial is one request such as the plugin makes.
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

// HoldsKeys reports whether the file holds keys themselves, or might: one that
// could not be read may.
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
