// Command kmsplugin is the Kubernetes KMS v2 plugin that keeps its keys in
// HashiCorp Vault Transit.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

func main() {
	os.Exit(cli.Main(newRoot(), 1))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kmsplugin",
		Short: "Encrypt Kubernetes Secrets with a key in HashiCorp Vault",
		Long: `kmsplugin runs beside a kube-apiserver and wraps its DEK seeds (KMS v2) with a
key in Vault Transit. It serves through outages of Vault, and all replicas of a
control plane switch to a new key version at the same time.

Exit status: 0 after an orderly stop, 1 after an error, 3 if it was called or
configured wrongly. An outage of Vault never ends it.`,
	}
	root.AddCommand(newServe(), newConfig(), newPolicy(), newStatus(), newDoctor(), newRehearse(), cli.VersionCommand("kmsplugin"))
	return root
}
