// Command etcdaudit says what of an etcd is plaintext, how the rest is encrypted, who
// can reach it, what it is really configured with, and what it did not look at.
//
// This package holds flags, configuration and wiring, and nothing else.
package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/report"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// Half of what garbage may take beside what is in use: an audit runs on the machines of a
		// control plane, and has little in use for long.
		debug.SetGCPercent(50)
	}
	os.Exit(cli.Main(newCommand(), report.ExitNotEvaluated))
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: "Say with evidence what etcd exposes",
		Long: `etcdaudit says which Kubernetes Secrets etcd stores as plaintext and how everything
else is encrypted (scan), what still needs each version of a key (key-usage), what etcd's addresses answer and to whom (tls), what etcd
and the API server are really configured with (host, or collect for an archive to
take elsewhere), all of it in one report (all), and what it did not look at. rules
and controls explain what is checked, and for which benchmark; accept writes down a
risk that is taken; report writes a stored report in other formats.

It never writes to etcd, needs no key of a CA, and never shows a stored value. Only
where there is an EncryptionConfiguration it tries that file's keys on the values, in
memory, to see whether they fit; and with --verify it opens every value there.`,
		Example: `  # on a control-plane node, as root
  etcdaudit all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, cmd := range []*cobra.Command{allCommand(), scanCommand(), keyUsageCommand(), tlsCommand(), hostCommand(), collectCommand(), reportCommand(), rulesCommand(), controlsCommand(), acceptCommand(), cli.VersionCommand(name)} {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return cli.RefuseEmpty(cmd.Flags()) }
		root.AddCommand(cmd)
	}
	return root
}

// name is that of the command and, in upper case, the prefix of its
// environment variables.
const name = "etcdaudit"
