package controlplane

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Snapshots is the node's folder of snapshots.
const Snapshots = "/var/lib/etcd-backup"

// keep adds to the node the files that its programs need, their keys and what lies under them.
func (n *Node) keep() {
	h := n.Facts.Host
	etcd := facts.User{Name: "etcd (pid 1201)"}
	apiServer := facts.User{Name: "kube-apiserver (pid 1202)"}
	add := func(use facts.Use, path string, mode fs.FileMode, secret string, users ...facts.User) {
		k := facts.Kept{Path: path, Use: use, File: hostfacts.Path{Exists: true, Mode: mode}, Secret: secret, Users: users}
		for i, c := range path {
			if c == '/' {
				k.Way = append(k.Way, facts.Directory{Name: "/" + strings.Trim(path[:i], "/"), Path: directory(0o755, 0)})
			}
		}
		h.Kept = append(h.Kept, k)
	}
	for _, c := range h.Certificates {
		if !strings.HasPrefix(c.File, PKI) {
			continue
		}
		user, key := apiServer, strings.TrimSuffix(c.File, ".crt")+".key"
		if strings.HasPrefix(c.File, PKI+"etcd/") {
			user = etcd
		}
		add(facts.CertificateUse, c.File, 0o644, "", user)
		if c.HasKey {
			add(facts.KeyUse, key, 0o600, "it is a private key", user)
			h.Keys = append(h.Keys, facts.Key{File: key, Kind: facts.KeyName(c.Certificate), HMAC: facts.KeyHash(c.Certificate), Certificates: []string{facts.CertificateHash(c.Certificate)}, Rights: hostfacts.Path{Exists: true, Mode: 0o600}})
		}
	}
	add(facts.ManifestUse, Manifest+"etcd.yaml", 0o600, "")
	add(facts.EncryptionUse, Policy, 0o600, "", apiServer)
	add(facts.KubeconfigUse, "/etc/kubernetes/kubelet.conf", 0o600, "it has the credentials of a user")
	add(facts.DataUse, DataDir, fs.ModeDir|0o700, "it holds all data of the cluster", etcd)
	add(facts.SnapshotUse, Snapshots+"/snapshot.db", 0o600, "it holds all data of the cluster")
	h.Disks = []facts.Disk{
		{Path: DataDir, Use: "data", Mount: "/", FileSystem: "ext4", Source: "/dev/mapper/root", Layers: []facts.Layer{{Name: "dm-0", Kind: "LUKS2"}, {Name: "sda2", Kind: "partition"}}, Encrypted: true},
	}
	h.MaxSnapshotAge = 24 * time.Hour
	h.Snapshots = []facts.SnapshotFolder{{
		Path: Snapshots, Found: "a usual place", Newest: Snapshots + "/snapshot.db", Written: Now.Add(-time.Hour), Copies: 1, Remote: "S3, by a test",
	}}
	h.Looked = []facts.Looked{
		{Source: Manifest + "etcd.yaml", Program: "etcd", Arguments: 18}, {Source: "process 1201", Program: "etcd", Arguments: 18, Variables: 4},
		{Source: "process 1202", Program: "kube-apiserver", Arguments: 24, Variables: 3},
	}
}

// Kept is one of the node's files.
func (n *Node) Kept(path string) *facts.Kept {
	i := slices.IndexFunc(n.Facts.Host.Kept, func(k facts.Kept) bool { return k.Path == path })
	if i < 0 {
		n.T.Fatalf("the node has no %s", path)
	}
	return &n.Facts.Host.Kept[i]
}

// Mode changes the mode of one of the node's files.
func Mode(path string, mode fs.FileMode) func(*Node) {
	return func(n *Node) { n.Kept(path).File.Mode = mode }
}
