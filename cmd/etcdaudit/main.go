// Command etcdaudit says what of an etcd is plaintext, how the rest is
// encrypted, and what it did not look at.
//
// This package holds flags, configuration and wiring, and nothing else.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(newCommand())) }

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: "Say with evidence what etcd stores as plaintext",
		Long: `etcdaudit reads an etcd and says which Kubernetes Secrets are stored as
plaintext, how and under which key everything else is encrypted, and what it did
not look at. It never writes to etcd, needs no key, and never shows a stored
value. Only where it is given an EncryptionConfiguration it tries that file's keys
on the values, in memory, to see whether they fit.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(scanCommand(), cli.VersionCommand(name))
	return root
}

// name is that of the command and, in upper case, the prefix of its
// environment variables.
const name = "etcdaudit"
