package config_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/controlplane"
)

func TestEncryptionInForce(t *testing.T) {
	controlplane.Run(t, "EA-424",
		controlplane.Case{Name: "the hashes agree", Status: check.Pass, Says: "by its hash"},
		controlplane.Case{Name: "the file was refused at reload", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.InForce, n.APIServer().Encryption.Failures = "sha256:bb", 7
			n.APIServer().Encryption.Config, n.APIServer().Encryption.Err = nil, "unknown field cacheSize"
		}, Status: check.Fail, Says: "7 reloads were refused; the file is refused: unknown field cacheSize"},
		controlplane.Case{Name: "no metrics", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.InForce, n.APIServer().Encryption.NoMetrics = "", "its metrics were not given"
		}, Status: check.NotEvaluated, Says: "not given", Fix: "--apiserver-metrics FILE", Expected: true},
		controlplane.Case{Name: "no metrics, but the file is newer than the process, and not reloaded", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.InForce = ""
			n.APIServer().Encryption.File.Changed = controlplane.Now
		}, Status: check.Warn, Says: "was changed after the API server started"},
		controlplane.Case{Name: "no metrics, newer, and reloaded", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.InForce, n.APIServer().Encryption.NoMetrics = "", "its metrics were not given"
			n.APIServer().Encryption.File.Changed, n.APIServer().Config.EncryptionReload = controlplane.Now, true
		}, Status: check.NotEvaluated, Says: "not given", Expected: true},
		controlplane.Case{Name: "a recorded tree", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.InForce, n.Facts.Host.Live = "", false
		}, Status: check.NotEvaluated, Says: "only files were read", Expected: true},
		controlplane.Case{Name: "the file could not be read", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption.Hash, n.APIServer().Encryption.Err = "", "permission denied"
		}, Status: check.NotEvaluated, Says: "permission denied"},
		controlplane.Case{Name: "none", Change: func(n *controlplane.Node) {
			n.APIServer().Encryption = nil
		}, Status: check.NotApplicable, Says: "EA-423"},
		controlplane.NoAPIServer,
		controlplane.APIServerRefuses,
		controlplane.NoNode,
	)
}
