package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

func scanCommand() *cobra.Command {
	config := scanDefaults()
	var file string
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Classify every live value of an etcd",
		Long: `scan reads every key under the prefix at one revision, a bounded page at a time,
says how each value is stored, and proves by a count at that revision that none
was missed. Its verdict is about live values only: history, the database file's
free pages, the write-ahead log and backups are listed as not evaluated.

Settings come from flags, then ETCDAUDIT_* variables (ETCDAUDIT_ENDPOINTS), then
the --config file, then ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT and
ETCDCTL_KEY. A user of etcd's own authentication comes from ETCDCTL_USER and
ETCDCTL_PASSWORD, never from a flag.

Exit status:
  0  no finding at or above --fail-on, and everything in the scope was evaluated,
     except what is listed as another API server's
  1  a finding at or above --fail-on
  2  no such finding, but something could not be evaluated: etcd could not be
     read, its answers contradict each other, there are no keys, neither Secrets
     nor Namespaces, values that only claim to be encrypted or cannot be judged by
     the configuration, the report could not be written, or the scan was
     interrupted
  3  wrong usage or configuration`,
		Example: `  # on a kubeadm control plane
  etcdaudit scan --endpoints https://127.0.0.1:2379 \
    --cacert /etc/kubernetes/pki/etcd/ca.crt \
    --cert /etc/kubernetes/pki/apiserver-etcd-client.crt \
    --key /etc/kubernetes/pki/apiserver-etcd-client.key

  # compare with what the API server is configured to write
  etcdaudit scan --encryption-provider-config /etc/kubernetes/enc/config.yaml

  # plaintext Secrets, by name
  etcdaudit scan --output json | jq -r '.checks[] | select(.id == "EA-101").results[].objects[] | .namespace + "/" + .name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config = config.withEtcdctl(os.Getenv)
			if err := cli.Load(cmd.Flags(), file, strings.ToUpper(name), &config); err != nil {
				return err
			}
			return scan(cmd.Context(), config, os.Getenv, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cli.AddFlags(cmd.Flags(), &config)
	cmd.Flags().StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// scan is the whole run, from checked settings to the exit status.
func scan(ctx context.Context, config scanConfig, getenv func(string) string, stdout, stderr io.Writer) error {
	failOn, err := config.validate()
	if err != nil {
		return err
	}
	build := cli.BuildOf(name)
	o := audit.Options{
		EncryptionFile: config.EncryptionProviderConfig, CurrentKeyID: config.CurrentKeyID, FailOn: failOn,
		Groups: rules.Groups{Data: true}, Tool: &auditv1.Tool{Name: name, Version: build.Version, Commit: build.Commit},
	}
	var keys keyring.Keyring
	defer keys.Clear()
	if o.EncryptionFile != "" {
		if o.Encryption, err = encryptionconfig.LoadWithKeys(o.EncryptionFile, keys.Opener); err != nil {
			return cli.Usage(err)
		}
	}
	r, err := runAudit(ctx, config, getenv, o, stderr)
	keys.Clear()
	if err != nil {
		return exitOf(err)
	}
	if err := write(stdout, r, config.Output, getenv); err != nil {
		return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("write the report: %w", err))
	}
	if status := report.ExitStatus(r); status != report.ExitPass {
		return cli.Exit(status, nil)
	}
	return nil
}

// exitOf gives an error of the reading its status: what cannot be used as given
// is the caller's mistake, all else means that nothing was evaluated.
func exitOf(err error) error {
	if live.KindOf(err) == live.BadConfig {
		return cli.Usage(err)
	}
	return cli.Exit(report.ExitNotEvaluated, err)
}

func runAudit(ctx context.Context, config scanConfig, getenv func(string) string, o audit.Options, stderr io.Writer) (*auditv1.Report, error) {
	store, err := live.Connect(ctx, config.live(getenv))
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }()
	snapshot, err := store.Pin(ctx, config.Prefix)
	if err != nil {
		return nil, err
	}
	progress := newProgress(stderr, snapshot.Keys)
	defer progress.end()
	o.Sources, o.Progress = []record.Source{snapshot}, progress.add
	return audit.Run(ctx, o)
}

func write(w io.Writer, r *auditv1.Report, output string, getenv func(string) string) error {
	if output == "json" {
		return report.JSON(w, r)
	}
	return report.Table(w, r, term.ColoursFor(w, getenv))
}
