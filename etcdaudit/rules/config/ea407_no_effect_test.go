package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestNothingWithoutEffect(t *testing.T) {
	controlplane.Run(t, "EA-407",
		controlplane.Case{Name: "everything counts", Status: check.Pass, Says: "everything that was written is in force"},
		controlplane.Case{Name: "keys written flat", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.ListenClient = []string{"http://0.0.0.0:2379"}
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "client-cert-auth", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "client-cert-auth in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key: it stands in client-transport-security"}}
		}, Status: check.Fail, Says: "client-cert-auth; no such key", Fix: "in /etc/etcd/etcd.conf.yaml set client-transport-security.client-cert-auth: …"},
		controlplane.Case{Name: "a flag beside a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.ListenClient = []string{"http://0.0.0.0:2379"}
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "trusted-ca-file", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "trusted-ca-file in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "a configuration file is used, and etcd then ignores flags"}}
		}, Status: check.Fail, Says: "ignores flags"},
		controlplane.Case{Name: "the same protection is in force by another way", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "client-cert-auth", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "client-cert-auth in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "written twice"}}
		}, Status: check.Warn, Says: "written twice"},
		controlplane.Case{Name: "a revocation list that a file cannot set", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "client-transport-security.client-crl-file", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "client-transport-security.client-crl-file in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key"}}
		}, Status: check.Fail, Says: "client-crl-file", Fix: "as flags, without --config-file"},
		controlplane.Case{Name: "suites inside the section", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "client-transport-security.cipher-suites", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "client-transport-security.cipher-suites in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key"}}
		}, Status: check.Fail, Says: "cipher-suites", Fix: "in /etc/etcd/etcd.conf.yaml set cipher-suites"},
		controlplane.Case{Name: "a setting of peers", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "peer-transport-security.allowed-cns", Value: "true", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "peer-transport-security.allowed-cns in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key"}}
		}, Status: check.Fail, Says: "allowed-cns"},
		controlplane.Case{Name: "an auto-tls that is not in force, as k3s writes it", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "auto-tls", Value: "false", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "auto-tls in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key"}}
		}, Status: check.Pass, Says: "none of which would protect anything"},
		controlplane.Case{Name: "a variable beside a configuration file", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Client.TrustedCA = ""
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "trusted-ca-file", Value: "ca.pem", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_TRUSTED_CA_FILE"}, Why: "a configuration file is used, and etcd then ignores variables"}}
		}, Status: check.Fail, Says: "ignores variables", Fix: "in /etc/etcd/etcd.conf.yaml set client-transport-security.trusted-ca-file: …"},
		controlplane.Case{Name: "a variable by its own name", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Client.TrustedCA = ""
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "ETCD_TRUSTED_CA_FILE", Value: "ca.pem", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_TRUSTED_CA_FILE"}, Why: "the flag is given too"}}
		}, Status: check.Fail, Says: "ETCD_TRUSTED_CA_FILE", Fix: "remove the variable ETCD_TRUSTED_CA_FILE"},
		controlplane.Case{Name: "addresses for peers are not those for clients", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenPeer = []string{"http://192.0.2.10:2380"}
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "listen-peer-urls", Value: "https://192.0.2.10:2380", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_LISTEN_PEER_URLS"}, Why: "the flag is given too"}}
		}, Status: check.Fail, Says: "listen-peer-urls"},
		controlplane.Case{Name: "addresses for peers, while those for clients are open", Change: func(n *controlplane.Node) {
			n.Etcd().Config.ListenClient = []string{"http://192.0.2.10:2379"}
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "listen-peer-urls", Value: "https://192.0.2.10:2380", Origin: etcdconfig.Origin{Kind: etcdconfig.Environment, Text: "ETCD_LISTEN_PEER_URLS"}, Why: "the flag is given too"}}
		}, Status: check.Warn, Says: "listen-peer-urls"},
		controlplane.Case{Name: "what is not about security", Change: func(n *controlplane.Node) {
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "snapshot-counts", Value: "5", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "snapshot-counts in /etc/etcd/etcd.conf.yaml, line 9"}, Why: "no such key"}}
		}, Status: check.Pass, Says: "none of which would protect anything"},
		controlplane.Case{Name: "keys written flat, and etcd would not start without them", Change: func(n *controlplane.Node) {
			n.Etcd().ConfigFile = "/etc/etcd/etcd.conf.yaml"
			n.Facts.Host.Setup.Kind = facts.Systemd
			n.Etcd().Config.Refused = "https://192.0.2.10:2379 wants cert-file and key-file"
			n.Etcd().Config.Client = etcdconfig.TLS{}
			n.Etcd().Config.Voids = []etcdconfig.Void{{Name: "cert-file", Value: "server.pem", Origin: etcdconfig.Origin{Kind: etcdconfig.File, Text: "cert-file in /etc/etcd/etcd.conf.yaml, line 5"}, Why: "no such key: it stands in client-transport-security"}}
		}, Status: check.Fail, Says: "cert-file; no such key"},
		controlplane.EtcdRefuses,
		controlplane.FileUnread,
		controlplane.NoNode,
	)
}
