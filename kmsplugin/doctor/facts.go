package doctor

import (
	"slices"
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/internal/vaultfacts"
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
	Vaults []vaultfacts.Vault
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
	Certificates []vaultfacts.Certificate
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
