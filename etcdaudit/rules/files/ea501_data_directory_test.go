package files_test

import (
	"io/fs"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestDataDirectory(t *testing.T) {
	controlplane.Run(t, "EA-501",
		controlplane.Case{Name: "kubeadm's, of root", Status: check.Pass, Says: "0700, of the uid 0 that etcd runs as; the letter of CIS 1.1.12"},
		controlplane.Case{Name: "of a user called etcd", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.UID, dir.Owner = 997, "etcd"
			n.Etcd().Files[controlplane.DataDir] = dir
			n.Etcd().Process.UID = 997
		}, Status: check.Pass, Says: "of the uid 997 that etcd runs as"},
		controlplane.Case{Name: "the same without /etc/passwd of the node", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.UID, dir.Owner = 997, "uid 997"
			n.Etcd().Files[controlplane.DataDir] = dir
			n.Etcd().Process.UID = 997
		}, Status: check.Pass, Says: "of the uid 997 that etcd runs as; the letter"},
		controlplane.Case{Name: "of another uid, with the right name", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.UID, dir.Owner = 1000, "etcd"
			n.Etcd().Files[controlplane.DataDir] = dir
			n.Etcd().Process.UID = 997
		}, Status: check.Fail, Says: "belongs to uid 1000, and etcd runs as uid 997", Fix: "chown -R 997"},
		controlplane.Case{Name: "open to the group", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.Mode = fs.ModeDir | 0o750
			n.Etcd().Files[controlplane.DataDir] = dir
		}, Status: check.Fail, Says: "its mode is 0750", Fix: "chmod 0700 /var/lib/etcd"},
		controlplane.Case{Name: "open, whoever runs it", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.Mode = fs.ModeDir | 0o755
			n.Etcd().Files[controlplane.DataDir] = dir
			n.Etcd().Process = nil
		}, Status: check.Fail, Says: "0755"},
		controlplane.Case{Name: "a WAL directory elsewhere", Change: func(n *controlplane.Node) {
			n.Etcd().Config.WALDir = "/wal"
			n.Etcd().Files["/wal"] = facts.File{Path: hostfacts.Path{Exists: true, Mode: fs.ModeDir | 0o777}}
		}, Target: "/wal", Status: check.Fail, Says: "0777"},
		controlplane.Case{Name: "no process", Change: func(n *controlplane.Node) {
			n.Etcd().Process = nil
		}, Status: check.NotEvaluated, Says: "which uid etcd runs as is not known", Expected: true},
		controlplane.Case{Name: "not to be inspected", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.Err = "permission denied"
			n.Etcd().Files[controlplane.DataDir] = dir
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "not there", Change: func(n *controlplane.Node) {
			dir := n.Etcd().Files[controlplane.DataDir]
			dir.Exists = false
			n.Etcd().Files[controlplane.DataDir] = dir
		}, Status: check.NotEvaluated, Says: "not there"},
		controlplane.Case{Name: "no etcd on the node", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = nil
		}, Status: check.NotEvaluated, Says: "no data directory"},
		controlplane.Case{Name: "kine in place of etcd", Change: func(n *controlplane.Node) {
			n.Facts.Host.Etcds = nil
			n.APIServer().Config.Etcds[0].Servers = []string{"unix:///var/lib/rancher/k3s/server/kine.sock"}
		}, Status: check.NotApplicable, Says: "kine"},
		controlplane.Copied,
		controlplane.Managed,
		controlplane.NoNode,
	)
}
