package facts

import (
	"crypto/x509"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/apiserverconfig"
	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Host is what one control-plane node, or a tree of its files, has shown.
type Host struct {
	// Node is its name, Root where its file system is ("/", or that of --root).
	Node, Root string
	// Live is whether processes were read. A tree has files only, and nothing says that
	// they are in force.
	Live  bool
	Setup Setup
	Etcds []Etcd
	// APIServers are those that were found, running or as a manifest.
	APIServers []APIServer
	// Certificates are those found in the directories of the control plane's certificates.
	Certificates []Certificate
	// Unread is what could not be read, and with which right it could be.
	Unread []Missing
	// Kept are the files and directories whose rights matter, Keys those that were found in
	// them, and Disks what lies under etcd's data.
	Kept  []Kept
	Keys  []Key
	Disks []Disk
	// Snapshots are the folders with copies of etcd's data that were found. MaxSnapshotAge is
	// how old the newest one may be.
	Snapshots      []SnapshotFolder
	MaxSnapshotAge time.Duration
	// Looked are the arguments and variables that were searched for secrets.
	Looked []Looked
	// Copied is why owners, modes and times of the files are not those of the node ("/tmp/x is
	// a copy"); empty if they are.
	Copied string
	// Read lists the files and processes that the facts rest on.
	Read []string
	// Inspected are owner, mode and times of the files that were read, by name.
	Inspected []Inspected
	Now       time.Time
}

// Inspected is a file that was read, without its content.
type Inspected struct {
	Name string
	hostfacts.Path
	Bytes int64
	// ModTime is when its content was written, Changed when its inode was (ctime).
	ModTime, Changed time.Time
	// Hash is "sha256:…" of a file that holds certificates and revocation lists and nothing
	// else; empty for any other. The hash of a file with a password in it would let others try
	// passwords. EncryptionFile.Hash is the one exception.
	Hash string
}

// SetupKind is how a control plane was set up.
type SetupKind string

// The setups that are told apart.
const (
	Kubeadm SetupKind = "kubeadm"
	RKE2    SetupKind = "RKE2"
	K3s     SetupKind = "k3s"
	K0s     SetupKind = "k0s"
	Micro   SetupKind = "MicroK8s"
	Talos   SetupKind = "Talos"
	Systemd SetupKind = "systemd units"
	Bare    SetupKind = "processes"
	Managed SetupKind = "managed control plane"
	Worker  SetupKind = "no control plane"
	Unknown SetupKind = "unknown" // no program was found, and a manifest could not be read
)

// Setup is how the node's control plane was set up, with the fact that shows it.
type Setup struct {
	Kind SetupKind
	Fact string
	// Ask is what to ask the provider of a managed control plane; Visit names other nodes
	// that hold a part of the control plane ("etcd: 192.0.2.20").
	Ask   string
	Visit []string
}

// Etcd is one etcd of the node.
type Etcd struct {
	// Name is what it is called in the report: "etcd (pid 1234)", "etcd of
	// /etc/kubernetes/manifests/etcd.yaml". It is unique.
	Name string
	// Source is the manifest, unit or process that the configuration was read from, and
	// ConfigFile the file of --config-file; empty for none.
	Source, ConfigFile string
	// EnvironmentFile is what a unit takes etcd's variables from; empty for none.
	EnvironmentFile string
	// Process is nil where none runs or none could be read.
	Process *Process
	Config  etcdconfig.Effective
	// Manifest is what a new start would use, if that differs from the running process;
	// nil if it is the same, or if there is none.
	Manifest *etcdconfig.Effective
	// Files are those that the configuration names, by path.
	Files map[string]File
	// Bound are the addresses that the process listens on.
	Bound []Bound
}

// Process is a running etcd or API server.
type Process struct {
	PID        int
	Executable string
	// Version is the program's release, "3.7.3"; Go is the release of Go that built it.
	// Either is empty if the binary does not say.
	Version, Go string
	Started     time.Time
	UID, GID    int
	// Groups are its supplementary groups.
	Groups []int
	// Missing is what of the process could not be read.
	Missing []Missing
}

// Bound is an address that a process listens on.
type Bound struct {
	Address string // "127.0.0.1:2379", a path
	Shared  bool   // with another process (SO_REUSEPORT)
}

// File is a file that a configuration names.
type File struct {
	hostfacts.Path
	// At is where it is on the host: a container's path lies on a volume, or below
	// /proc/PID/root.
	At string
	// ModTime is when its content was written; zero if that is not known.
	ModTime time.Time
	// Changed is when its inode was changed (ctime): a file that was moved into place keeps
	// its ModTime.
	Changed time.Time
	// Certificates are those in it, ContentErr why it is not what it should be ("not PEM",
	// "the key is encrypted", "the key is of another certificate").
	Certificates Certificates
	ContentErr   string
	// ReadErr is why its content could not be read; empty if it was, or was not asked for.
	// ContentErr says it as well.
	ReadErr string
	// CRL is set where it is a revocation list: PEM or DER.
	CRL string
	// Revoked is how many entries a revocation list has, NextUpdate when the next one is due.
	Revoked    int
	NextUpdate time.Time
}

// Written is when the file got its content or its place: a file that was moved keeps the
// time of its content. It is zero if that is not known.
func (f File) Written() time.Time {
	if f.Changed.After(f.ModTime) {
		return f.Changed
	}
	return f.ModTime
}

// WrittenAfter reports whether the file was written after a process had started. Linux
// gives the times of both in steps of a few milliseconds: what is nearer than 100 is not
// after it.
func (f File) WrittenAfter(started time.Time) bool {
	return !f.Written().IsZero() && f.Written().Sub(started) > 100*time.Millisecond
}

// Certificate is one certificate in a file of the host.
type Certificate struct {
	File string
	*x509.Certificate
	// HasKey is whether the private key of it is on the host.
	HasKey bool
	// Inline is whether the file is a kubeconfig.
	Inline bool
}

// APIServer is one kube-apiserver of the node.
type APIServer struct {
	Name    string
	Source  string
	Process *Process
	Config  apiserverconfig.Config
	// NotEvaluated is why the command line is not known in full ("the unit's
	// EnvironmentFile=… cannot be read"); empty if it is. Config then holds what was seen
	// of it, and says nothing about flags that are not there.
	NotEvaluated string
	// Encryption is the file of --encryption-provider-config, nil without the flag.
	Encryption *EncryptionFile
	// Audit is the audit policy, nil without one.
	Audit *AuditPolicy
	// Authorization and Authentication are the files of --authorization-config and
	// --authentication-config, nil without the flag.
	Authorization  *AuthorizationFile
	Authentication *AuthenticationFile
	Files          map[string]File
	// Sockets are those of the KMS providers, by endpoint.
	Sockets map[string]Socket
}

// EncryptionFile is an EncryptionConfiguration and what says whether it is in force.
type EncryptionFile struct {
	Path string
	File File
	// Err is why it could not be read or would be refused; Config is nil then.
	Err    string
	Config *encryptionconfig.Config
	// Hash is "sha256:…" of the file; InForce the one that the API server's metrics show,
	// empty if they were not given. They are compared, so that Hash cannot be an HMAC. Of a file
	// whose keys were typed it lets others try keys, as do those metrics themselves.
	Hash, InForce string
	Failures      int64  // reloads that were refused
	NoMetrics     string // why InForce is empty
}

// AuditPolicy is what of an audit policy matters here.
type AuditPolicy struct {
	// Path is the file, Err why it could not be read or would be refused.
	Path, Err string
	// Levels are those at which requests for Secrets can be recorded, one for each kind of verb.
	Levels []AuditLevel
}

// AuditLevel is the highest level at which a verb on Secrets can be recorded.
type AuditLevel struct {
	Verbs string // "get, list, watch"; "create, update, patch"
	Level string // "None", "Metadata", "Request", "RequestResponse"
	Rule  int    // the number of the rule that decides, from 1
}

// AuthorizationFile is an AuthorizationConfiguration. An API server reads it anew each minute.
type AuthorizationFile struct {
	Path string
	// Err is why it could not be read or would be refused.
	Err string
	// Types are those of its authorizers, in their order: "Node", "RBAC".
	Types []string
}

// AuthenticationFile is an AuthenticationConfiguration. What it says of anonymous requests
// counts as it was when the API server started.
type AuthenticationFile struct {
	Path string
	// Err is why it could not be read or would be refused.
	Err string
	// Anonymous is nil if it says nothing of them, and --anonymous-auth decides.
	Anonymous *Anonymous
}

// Anonymous is which anonymous requests are taken: none, those for some exact paths, or all
// of them if there are no paths.
type Anonymous struct {
	Enabled bool
	Paths   []string
}

// Socket is the path of a socket: a KMS plugin's, or etcd's.
type Socket struct {
	Endpoint string
	hostfacts.Path
	// Way is every directory from the root to it.
	Way []hostfacts.Path
	// Dir names the directory.
	Dir string
}

// At reports whether a file of the host is what the API server knows under a path of its own
// root.
func (a APIServer) At(file, path string) bool {
	return path != "" && (file == path || file == a.Files[path].At)
}
