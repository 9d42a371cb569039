package files_test

import (
	"io/fs"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestPrivateKeys(t *testing.T) {
	const key = controlplane.PKI + "etcd/server.key"
	of := func(change func(k *facts.Kept)) func(*controlplane.Node) {
		return func(n *controlplane.Node) { change(n.Kept(key)) }
	}
	dir := func(name string, mode fs.FileMode, gid int) facts.Directory {
		return facts.Directory{Name: name, Path: hostfacts.Path{Exists: true, Mode: fs.ModeDir | mode, GID: gid}}
	}
	beside := func(d facts.Directory) facts.Directory { d.Beside = true; return d }
	last := func(k *facts.Kept) *facts.Directory { return &k.Way[len(k.Way)-1] }
	controlplane.Run(t, "EA-502",
		controlplane.Case{Name: "kubeadm's", Target: key, Status: check.Pass, Says: "0600, uid 0"},
		controlplane.Case{Name: "everyone reads it", Change: controlplane.Mode(key, 0o644), Target: key, Status: check.Fail, Says: "its mode is 0644: everyone can read it", Fix: "chmod 0600 " + key},
		controlplane.Case{Name: "everyone writes it", Change: controlplane.Mode(key, 0o602), Target: key, Status: check.Fail, Says: "everyone can write it", Fix: "chmod o-w"},
		controlplane.Case{Name: "in a directory that others cannot enter", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o644
			k.Way[len(k.Way)-1].Mode &^= 0o001
		}), Target: key, Status: check.Pass, Says: "/etc/kubernetes/pki/etcd, which others cannot enter; the letter of CIS 1.1.21"},
		controlplane.Case{Name: "writable in such a directory", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o602
			k.Way[len(k.Way)-1].Mode &^= 0o001
		}), Target: key, Status: check.Warn, Says: "only /etc/kubernetes/pki/etcd keeps others"},
		controlplane.Case{Name: "through a link in a closed directory, in an open one", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o644
			k.Way = append(k.Way, beside(dir("/root", 0o700, 0)), dir("/srv", 0o755, 0))
		}), Target: key, Status: check.Fail, Says: "everyone can read it"},
		controlplane.Case{Name: "through a link in an open directory, in a closed one", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o644
			k.Way = append(k.Way, beside(dir("/srv", 0o755, 0)), dir("/root", 0o700, 0))
		}), Target: key, Status: check.Pass, Says: "in /root, which others cannot enter"},
		controlplane.Case{Name: "in a directory that another group enters", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o644
			*last(k) = dir("/etc/kubernetes/pki/etcd", 0o750, 1000)
		}), Target: key, Status: check.Warn, Says: "/etc/kubernetes/pki/etcd lets group 1000 in, which can read it", Fix: "chmod 0600"},
		controlplane.Case{Name: "below that in one that only root enters", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o644
			*last(k) = dir("/etc/kubernetes/pki/etcd", 0o750, 1000)
			k.Way = append(k.Way, dir("/etc/kubernetes/pki/etcd/own", 0o700, 1000))
		}), Target: key, Status: check.Pass, Says: "/etc/kubernetes/pki/etcd/own, which others cannot enter"},
		controlplane.Case{Name: "in a directory that a group of its process enters", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.Users[0].UID, k.Users[0].GIDs = 0o644, 997, []int{997, 1000}
			*last(k) = dir("/etc/kubernetes/pki/etcd", 0o750, 1000)
		}), Target: key, Status: check.Pass},
		controlplane.Case{Name: "in a directory that a group enters, and no process was read", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.Users[0].UID = 0o644, -1
			*last(k) = dir("/etc/kubernetes/pki/etcd", 0o750, 1000)
		}), Target: key, Status: check.NotEvaluated, Says: "which groups its program has is not known", Expected: true},
		controlplane.Case{Name: "written by everyone in a directory that another group enters", Change: of(func(k *facts.Kept) {
			k.File.Mode = 0o602
			*last(k) = dir("/etc/kubernetes/pki/etcd", 0o750, 1000)
		}), Target: key, Status: check.Fail, Says: "lets group 1000 in, which can write it"},
		controlplane.Case{Name: "written by everyone, of a uid that is not known", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.UID, k.Users[0].UID = 0o602, 997, -1
		}), Target: key, Status: check.Fail, Says: "everyone can write it"},
		controlplane.Case{Name: "a group, and no process was read", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.GID, k.Users[0].UID = 0o640, 997, -1
		}), Target: key, Status: check.NotEvaluated, Says: "group 997 can read it; which groups", Expected: true},
		controlplane.Case{Name: "a supplementary group of its process", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.GID, k.Users[0].UID, k.Users[0].GIDs = 0o640, 1000, 997, []int{997, 1000}
		}), Target: key, Status: check.Pass},
		controlplane.Case{Name: "the group of its process", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.GID, k.Users[0].UID, k.Users[0].GIDs = 0o640, 996, 997, []int{997, 996}
		}), Target: key, Status: check.Pass, Says: "0640, uid 0; the letter of CIS"},
		controlplane.Case{Name: "another group", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.GID = 0o640, 996
		}), Target: key, Status: check.Warn, Says: "group 996 can read it", Fix: "chmod 0600"},
		controlplane.Case{Name: "another group writes it", Change: of(func(k *facts.Kept) {
			k.File.Mode, k.File.GID = 0o660, 996
		}), Target: key, Status: check.Fail, Says: "group 996 can write it"},
		controlplane.Case{Name: "the uid of its process", Change: of(func(k *facts.Kept) {
			k.File.UID, k.Users[0].UID = 997, 997
		}), Target: key, Status: check.Pass, Says: "0600, uid 997"},
		controlplane.Case{Name: "another uid", Change: of(func(k *facts.Kept) {
			k.File.UID, k.Users[0].UID = 1000, 997
		}), Target: key, Status: check.Fail, Says: "uid 1000, which is neither root", Fix: "chown root"},
		controlplane.Case{Name: "a process that is not known", Change: of(func(k *facts.Kept) {
			k.File.UID, k.Users[0].UID = 997, -1
		}), Target: key, Status: check.NotEvaluated, Says: "which uid etcd (pid 1201) runs as is not known", Expected: true},
		controlplane.Case{Name: "of the uid of etcd, and named by no configuration", Change: func(n *controlplane.Node) {
			n.Etcd().Process.UID = 997
			k := n.Kept(key)
			k.File.UID, k.Users = 997, nil
		}, Target: key, Status: check.Pass, Says: "uid 997"},
		controlplane.Case{Name: "the same, and no process was read", Change: func(n *controlplane.Node) {
			n.Etcd().Process = nil
			k := n.Kept(key)
			k.File.UID, k.Users = 997, nil
		}, Target: key, Status: check.NotEvaluated, Says: "runs as is not known", Expected: true},
		controlplane.Case{Name: "not to be inspected", Change: of(func(k *facts.Kept) {
			k.File = hostfacts.Path{Err: "permission denied"}
		}), Target: key, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) { n.Facts.Host.Kept = nil }, Status: check.NotEvaluated, Says: "no private key was found"},
		controlplane.Copied,
		controlplane.Managed,
		controlplane.NoNode,
	)
}
