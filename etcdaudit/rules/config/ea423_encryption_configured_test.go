package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
	"github.com/sealproof/sealproof/test/stored"
)

func TestEncryptionConfigured(t *testing.T) {
	controlplane.Run(t, "EA-423",
		controlplane.Case{Name: "Secrets by KMS v2", Status: check.Pass, Says: "kms v2 vault"},
		controlplane.Case{Name: "no file", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption, n.APIServer().Config.EncryptionConfig = nil, ""
		}, Status: check.Fail, Says: "no EncryptionConfiguration", Fix: "--encryption-provider-config=FILE"},
		controlplane.Case{Name: "an empty value is no file", Change: func(n *controlplane.Node) {
			n.APIServer().Config.EncryptionConfig = ""
		}, Status: check.Fail, Says: "no EncryptionConfiguration"},
		controlplane.Case{Name: "k3s has a setting of its own", Change: func(n *controlplane.Node) {
			n.Facts.Host.Setup.Kind = facts.K3s
			n.APIServer().Encryption = nil
		}, Status: check.Fail, Fix: "secrets-encryption: true in /etc/rancher/k3s/config.yaml"},
		controlplane.Case{Name: "identity first", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.Config = stored.Config(n.T, stored.Entry("secrets", stored.Identity, stored.KMS("v2", "vault")))
		}, Status: check.Fail, Says: "identity stands first"},
		controlplane.Case{Name: "only ConfigMaps", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.Config = stored.Config(n.T, stored.Entry("configmaps", stored.KMS("v2", "vault")))
		}, Status: check.Fail, Says: "no entry names Secrets"},
		controlplane.Case{Name: "refused by the API server", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.Config, n.APIServer().Encryption.Err = nil, "unknown field cacheSizes"
		}, Status: check.NotEvaluated, Says: "cacheSizes"},
		controlplane.Managed,
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
