package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/rules"
)

// precedence is said in the help of every command that makes a report.
const precedence = `Settings come from flags, then ETCDAUDIT_* variables (ETCDAUDIT_ENDPOINTS), then
the --config file, then ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT and
ETCDCTL_KEY, then what is found on this node.`

const user = `A user of etcd's own authentication, to read values with, comes from ETCDCTL_USER
and ETCDCTL_PASSWORD, never from a flag. Logging in is an entry of raft's log.`

const noUser = `What tls sends uses certificates only, and never ETCDCTL_USER and ETCDCTL_PASSWORD:
logging in would be an entry of raft's log.`

const exits = `Exit status:
  0  no finding at or above --fail-on, and everything that was asked for was evaluated
  1  a finding at or above --fail-on
  2  no such finding, but something could not be evaluated, the report could not be
     written, or the audit was interrupted; with --strict also if an optional input
     was missing, with --min-coverage if too little was evaluated
  3  wrong usage or configuration`

func scanCommand() *cobra.Command {
	return auditCommand(rules.Groups{Data: true}, &cobra.Command{
		Args:  cobra.ArbitraryArgs,
		Use:   "scan [PATH...]",
		Short: "Classify every value of a running etcd, and of its files",
		Long: `scan reads every key under the prefix at one revision, a bounded page at a time,
says how each value is stored, and proves by a count at that revision that none
was missed. Live values reveal nothing about what was stored before: history, the
database file's free pages, the write-ahead log and backups are in etcd's files.

On a node with an etcd it needs no flag: it finds etcd, a certificate, the data
directory, the log and copies (kubeadm's, snapshots of RKE2 and k3s, usual folders of
backups), says what it chose, and reads all of it. That can be gigabytes:
--files=false leaves the files out. With --endpoints it reads live values only.

With paths it reads files only: a data directory, a database, a snapshot (also as .gz
or .zst), segments of the write-ahead log, or a folder with such files in it.

It takes no lock and stops nothing. Of a database that an etcd uses it says where
plaintext is, and never that there is none; with --work-dir it reads a reflink of it in
its place, or a snapshot that it asks the member for. A log that etcd writes to is
never called clean.
With --timeline it says of each Secret from when to when it was readable. With --verify
it opens every value in memory, as an API server does, and says which cannot be
decrypted and why; of a copy, what has to be there to restore it.
What is listed as another API server's does not change the exit status.`,
		Example: `  # on a control-plane node, as root: live values, the member's files and copies
  etcdaudit scan --work-dir /var/tmp

  # the same without files
  etcdaudit scan --files=false

  # elsewhere
  etcdaudit scan --endpoints https://192.0.2.1:2379 --cacert ca.crt --cert client.crt --key client.key

  # everything that is left in the data directory of a stopped member, and in snapshots
  etcdaudit scan /var/lib/etcd /var/backups/etcd

  # which credentials have to be changed, since when, and where they can still be read
  etcdaudit scan --timeline --work-dir /var/tmp /var/lib/etcd /var/backups/etcd

  # on a control-plane node: can everything be decrypted, by the plugin of this node?
  etcdaudit scan --verify --files=false

  # can this backup still be decrypted, without its cluster?
  etcdaudit scan --verify --transit --vault-address https://vault:8200 --vault-key kubernetes \
    --vault-token-file token /var/backups/etcd/snapshot.db

  # compare with what the API server is configured to write
  etcdaudit scan --encryption-provider-config /etc/kubernetes/enc/config.yaml

  # which key_ids are current, stale or unknown, and which API server is behind
  etcdaudit scan --plugin-socket /run/kmsplugin/sealproof.sock --apiserver-metrics cp-1.txt --apiserver-metrics cp-2.txt

  # plaintext Secrets, by name
  etcdaudit scan --output json | jq -r '.checks[] | select(.id == "EA-101").results[].objects[] | .namespace + "/" + .name'`,
	})
}

func tlsCommand() *cobra.Command {
	return auditCommand(rules.Groups{Wire: true}, &cobra.Command{
		Use:   "tls",
		Short: "Say what etcd's addresses really answer, and to whom",
		Long: `tls connects to the client, peer and metrics addresses of every member and says
what answers there: plaintext, TLS, to whom, with which versions, suites and
certificates. It asks by real requests, and compares each refusal with a client
that is accepted. It sends reads only, and nothing that becomes an entry of raft's
log; --plan says beforehand what it sends and what etcd will log of it.

Clients without a certificate, with one of their own and with one of a copied
issuer are made on the fly; others, such as a kubelet's or a revoked one, are given
with --probe-cert. No CA key is needed.`,
		Example: `  # on a control-plane node, as root
  etcdaudit tls

  # what would be sent
  etcdaudit tls --plan

  # does etcd accept a kubelet, or a certificate that was revoked?
  etcdaudit tls --probe-cert kubelet=/var/lib/kubelet/pki/kubelet-client-current.pem,/var/lib/kubelet/pki/kubelet-client-current.pem \
    --probe-cert revoked=old.crt,old.key`,
	})
}

func hostCommand() *cobra.Command {
	return auditCommand(rules.Groups{Host: true}, &cobra.Command{
		Args:  cobra.ArbitraryArgs,
		Use:   "host [ARCHIVE...]",
		Short: "Say what etcd and the API server of a node are really configured with",
		Long: `host reads the manifests, units, processes and files of a control-plane node, merges
flags, environment, configuration file and defaults as etcd and the API server do,
and judges what is in force. It needs root for other users' processes and files.

With archives of etcdaudit collect it reads those instead, and says what it would
have said on their nodes. Several of different nodes make one report, with a verdict
for each node and the differences between them (rules EA-601 and following).`,
		Example: `  # on a control-plane node, as root
  etcdaudit host

  # elsewhere, what was collected on the nodes
  etcdaudit host etcdaudit-cp-1-*.tar.gz etcdaudit-cp-2-*.tar.gz

  # a mounted or copied file system
  etcdaudit host --root /mnt/node-1

  # is the EncryptionConfiguration on disk the one in force?
  etcdaudit host --kubeconfig /etc/kubernetes/admin.conf`,
	})
}

func allCommand() *cobra.Command {
	return auditCommand(rules.Groups{Data: true, Wire: true, Host: true}, &cobra.Command{
		Use:   "all",
		Short: "scan, tls and host in one report",
		Long: `all does what scan, tls and host do, and makes one report of it. What is stored is
compared with the EncryptionConfiguration of this node's API server. The files of
this node's etcd are read as well; --files=false leaves them out. With --verify every
value is opened, by the KMS plugin that the EncryptionConfiguration names.`,
		Example: `  # on a control-plane node, as root
  etcdaudit all

  # for a machine
  etcdaudit all --output json > report.json`,
	})
}

// auditCommand completes a command that makes a report about some groups of rules.
func auditCommand(groups rules.Groups, cmd *cobra.Command) *cobra.Command {
	config := defaults()
	var file string
	cmd.Long += "\n\n" + precedence
	if groups.Data {
		cmd.Long += " " + user
	}
	if groups.Wire {
		cmd.Long += "\n\n" + noUser
	}
	cmd.Long += "\n\n" + exits
	if cmd.Args == nil {
		cmd.Args = cobra.NoArgs
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := refuseArguments(args); err != nil {
			return err
		}
		config.Connection = config.Connection.withEtcdctl(os.Getenv)
		if err := loadSettings(cmd.Flags(), file, &config); err != nil {
			return err
		}
		run := auditRun{settings: config, config: file, groups: groups, given: cmd.Flags().Changed, getenv: os.Getenv, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
		if groups.Data {
			run.paths = args
		} else {
			run.archives = args
		}
		return run.do(cmd.Context())
	}
	flags := cmd.Flags()
	cli.AddFlags(flags, &config.Output)
	cli.AddFlags(flags, &config.Node)
	if groups.Data || groups.Wire {
		cli.AddFlags(flags, &config.Connection)
	}
	if groups.Data {
		cli.AddFlags(flags, &config.Scan)
	}
	if groups.Data {
		cli.AddFlags(flags, &config.Files)
		cli.AddFlags(flags, &config.Timeline)
		cli.AddFlags(flags, &config.Verify)
		cli.AddFlags(flags, &config.Vault)
		cli.AddFlags(flags, &config.Plugins)
	}
	if onlyData := groups == (rules.Groups{Data: true}); onlyData {
		cli.AddFlags(flags, &config.Paths)
	}
	if groups.Wire {
		cli.AddFlags(flags, &config.TLS)
	}
	if groups.Host {
		cli.AddFlags(flags, &config.Host)
	}
	if groups.Data || groups.Host {
		cli.AddFlags(flags, &config.API)
		cli.AddFlags(flags, &config.Metrics)
	}
	flags.StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}
