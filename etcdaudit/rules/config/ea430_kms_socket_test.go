package config_test

import (
	"io/fs"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestKMSSocket(t *testing.T) {
	controlplane.Run(t, "EA-430",
		controlplane.Case{Name: "root and the plugin", Status: check.Pass, Says: "root and uid 990"},
		controlplane.Case{Name: "a group of callers", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.GID = 991
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Pass, Says: "group 991"},
		controlplane.Case{Name: "everyone", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Mode = fs.ModeSocket | 0o666
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "each process of the node", Fix: "chmod 0660"},
		controlplane.Case{Name: "a directory that everyone can write", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[2].Mode = fs.ModeDir | 0o777
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "/run/kmsplugin/ can be written by everyone", Fix: "chmod o-w /run/kmsplugin/"},
		controlplane.Case{Name: "in /tmp", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[1].Mode = fs.ModeDir | fs.ModeSticky | 0o777
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Warn, Says: "another process can take its place"},
		controlplane.Case{Name: "another user's directory", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[1].UID = 1000
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "belongs to uid 1000"},
		controlplane.Case{Name: "a directory of a group", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[2].Mode, socket.Way[2].GID = fs.ModeDir|0o770, 1000
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Warn, Says: "group 1000"},
		controlplane.Case{Name: "a directory of a group, and another that everyone can write", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[1].Mode, socket.Way[1].GID = fs.ModeDir|0o770, 1000
			socket.Way[2].Mode = fs.ModeDir | 0o777
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "/run/kmsplugin/ can be written by everyone"},
		controlplane.Case{Name: "a way that could not be inspected", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way = nil
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.NotEvaluated, Says: "directories on the way"},
		controlplane.Case{Name: "a directory that could not be inspected", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[1] = hostfacts.Path{Err: "permission denied"}
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.NotEvaluated, Says: "/run/ could not be inspected: permission denied"},
		controlplane.Case{Name: "a directory that could not be inspected beside one that everyone can write", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way[1] = hostfacts.Path{Err: "permission denied"}
			socket.Way[2].Mode = fs.ModeDir | 0o777
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "/run/kmsplugin/ can be written by everyone"},
		controlplane.Case{Name: "a way with links", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Way = append(socket.Way, socket.Way[0], socket.Way[0])
			socket.Way[4].UID = 5
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "directory 5 of the way"},
		controlplane.Case{Name: "a file in its place", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Mode = 0o600
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.Fail, Says: "regular file"},
		controlplane.Case{Name: "an abstract socket", Change: func(n *controlplane.Node) {
			n.APIServer().Sockets = map[string]facts.Socket{"unix:///@kms": {Endpoint: "unix://@kms"}}
		}, Status: check.Fail, Says: "abstract"},
		controlplane.Case{Name: "not there", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Exists = false
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.NotEvaluated, Says: "the plugin does not run"},
		controlplane.Case{Name: "a recorded tree", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Exists = false
			n.APIServer().Sockets[endpoint] = socket
			n.Facts.Host.Live = false
		}, Status: check.NotEvaluated, Says: "on the running node only"},
		controlplane.Case{Name: "not to be inspected", Change: func(n *controlplane.Node) {
			endpoint := "unix://" + controlplane.Socket
			socket := n.APIServer().Sockets[endpoint]
			socket.Err = "permission denied"
			n.APIServer().Sockets[endpoint] = socket
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "the file that names it could not be read", Change: func(n *controlplane.Node) {
			n.APIServer().Sockets, n.APIServer().Encryption.Config, n.APIServer().Encryption.Err = nil, nil, "permission denied"
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) {
			n.APIServer().Sockets = nil
		}, Status: check.NotApplicable, Says: "no KMS provider"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
