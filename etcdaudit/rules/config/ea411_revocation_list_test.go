package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestRevocationList(t *testing.T) {
	controlplane.Run(t, "EA-411",
		controlplane.Case{Name: "DER", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 7
			file := controlplane.File(0o644)
			file.CRL, file.Revoked = "DER", 2
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Pass, Says: "with 2 entries"},
		controlplane.Case{Name: "PEM on 3.7 refuses everyone", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 7
			file := controlplane.File(0o644)
			file.CRL = "PEM"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Fail, Says: "etcd 3.7 reads DER only: every client", Fix: "-outform DER"},
		controlplane.Case{Name: "PEM on 3.6 too", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 6
			file := controlplane.File(0o644)
			file.CRL = "PEM"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Fail, Says: "etcd 3.6"},
		controlplane.Case{Name: "PEM on 3.5 is read", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 5
			file := controlplane.File(0o644)
			file.CRL = "PEM"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Pass, Says: "which etcd 3.5 reads"},
		controlplane.Case{Name: "overdue", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 7
			file := controlplane.File(0o644)
			file.CRL, file.NextUpdate = "DER", controlplane.Now.AddDate(0, 0, -3)
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Warn, Says: "overdue since 2026-11-24"},
		controlplane.Case{Name: "not a list", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 7
			file := controlplane.File(0o644)
			file.ContentErr = "it is a certificate"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.Fail, Says: "it is a certificate"},
		controlplane.Case{Name: "no such file", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.CRL = "/etc/etcd/gone"
			n.Etcd().Files["/etc/etcd/gone"] = facts.File{}
		}, Status: check.Fail, Says: "does not exist"},
		controlplane.Case{Name: "not inspected", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Peer.CRL = "/etc/etcd/crl"
		}, Status: check.NotEvaluated, Says: "not inspected"},
		controlplane.Case{Name: "there, and its content not readable", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			file := controlplane.File(0o644)
			file.ReadErr = "longer than 16 MiB"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.NotEvaluated, Says: "longer than 16 MiB"},
		controlplane.Case{Name: "not readable", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.CRL = "/etc/etcd/crl"
			n.Etcd().Config.Release.Minor = 7
			file := controlplane.File(0o644)
			file.Err = "permission denied"
			n.Etcd().Files["/etc/etcd/crl"] = file
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "none", Status: check.NotApplicable, Says: "no revocation list"},
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
