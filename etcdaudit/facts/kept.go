package facts

import (
	"time"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Use is what a file or directory of the host is to the control plane.
type Use string

// The uses that are told apart.
const (
	DataUse        Use = "data directory"
	KeyUse         Use = "private key"
	CertificateUse Use = "certificate"
	ManifestUse    Use = "manifest"
	UnitUse        Use = "unit"
	VariablesUse   Use = "environment file"
	ConfigUse      Use = "configuration"
	EncryptionUse  Use = "EncryptionConfiguration"
	KubeconfigUse  Use = "kubeconfig"
	CredentialUse  Use = "credential"
	AuditUse       Use = "audit policy"
	StateUse       Use = "state"
	SnapshotUse    Use = "snapshot"
)

// Kept is a file or directory of the host whose owner, mode and place matter.
type Kept struct {
	// Path is where it is on the host.
	Path string
	Use  Use
	File hostfacts.Path
	// Secret is why its content is a secret ("it has keys"); empty if it is none.
	Secret string
	// Users are the programs that need it. Root always may have it.
	Users []User
	// Way is every directory from the root to it: those of its name and, where links lead
	// elsewhere, those of where it is.
	Way []Directory
}

// User is a program as the user that it runs as.
type User struct {
	Name string
	// UID is -1 where no process of it was read, or where its user could not be.
	UID int
	// GIDs are its group and its supplementary groups; nil with a UID of -1.
	GIDs []int
}

// UserOf is a program as the user of its process, which may be nil.
func UserOf(name string, p *Process) User {
	if p == nil || p.UID < 0 {
		return User{Name: name, UID: -1}
	}
	return User{Name: name, UID: p.UID, GIDs: append([]int{p.GID}, p.Groups...)}
}

// Directory is one directory of a way.
type Directory struct {
	Name string
	hostfacts.Path
	// Beside is set where a link leads away from it: a user who can write to it can replace
	// that link, but who may not enter it can still reach the file by where the link leads.
	Beside bool
}

// Key is a key that was found in a file: what it is, never the key itself.
type Key struct {
	File string
	// Name is the provider and name of a key in an EncryptionConfiguration, "aescbc key1";
	// empty for a private key.
	Name string
	// Kind is "RSA 2048", "ECDSA P-256", "aescbc, 32 bytes"; empty if it is not known.
	Kind string
	// HMAC is equal for equal keys; FingerprintKey names what it was made with.
	HMAC, FingerprintKey string
	// Encrypted is set where a passphrase encrypts it. Nothing else is known of it then.
	Encrypted bool
	// Certificates are the hashes of those that it belongs to, on this host.
	Certificates []string
	// Weakness is why it can be guessed or computed ("1024 bits are too few"); empty for none.
	Weakness string
	// Doubt is why it may not have been made at random, though it has 128 bits of chance if it
	// was; empty for none.
	Doubt  string
	Rights hostfacts.Path
}

// Disk is what lies under a directory of etcd.
type Disk struct {
	// Path is the directory, Use what it holds: "data", "write-ahead log", "snapshots".
	Path, Use string
	// Mount is where its file system is mounted, FileSystem its type ("ext4"), and Source
	// what the kernel calls its device ("/dev/mapper/data").
	Mount, FileSystem, Source string
	// Layers are the block devices under it, each above those that it rests on.
	Layers []Layer
	// Encrypted is whether everything that is written there is encrypted on the way to each
	// disk.
	Encrypted bool
	// Unknown is why that cannot be told ("a virtual disk"); empty if it can. Ask is whom or
	// what to ask.
	Unknown, Ask string
}

// Layer is a block device.
type Layer struct {
	Name string // "dm-0"
	Kind string // "LUKS2", "LVM", "RAID", "partition", "disk"
}

// SnapshotFolder is a directory in which copies of etcd's data were found or should be.
type SnapshotFolder struct {
	Path string
	// Found is what names it: "--snapshot-dir", "k3s", "a usual place".
	Found string
	File  hostfacts.Path
	// Err is why it could not be read.
	Err string
	// Newest is the newest copy, and when it was written; empty and zero if there is none.
	Newest  string
	Written time.Time
	Copies  int
	// Remote is where copies go as well, as far as a configuration says so ("S3, by
	// /etc/rancher/k3s/config.yaml"). Here is what says that they go nowhere else. Both are
	// empty where nothing is known.
	Remote, Here string
}

// Looked is one set of arguments and variables that was searched for secrets. Of what was
// found only the name is kept.
type Looked struct {
	// Source is the process, manifest or unit; Program what it starts.
	Source, Program string
	// Arguments and Variables are how many were seen.
	Arguments, Variables int
	Found                []Word
	// Missing is why not all of them were seen.
	Missing string
}

// Word is an argument or a variable with a secret in it.
type Word struct {
	Argument bool // else it is a variable
	Name     string
	Why      string // "its name is that of a secret", "an address with a password"
}
