package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/archive"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/atomicfile"
	"github.com/sealproof/sealproof/internal/term"
)

func collectCommand() *cobra.Command {
	config := defaults()
	var file string
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Write what host reads into an archive, to be evaluated elsewhere",
		Long: `collect reads this node as host does, and writes what it has learned into one file,
which etcdaudit host evaluates elsewhere with the same result. The archive holds no
file of the node: of what was read it has owner, mode and times, of configurations the
settings, and the certificates. No private key, token, password or key of an
EncryptionConfiguration is in it. It still says where a cluster is weak: its mode is
0600.

The SHA-256 of the file is printed. Write it down: the report of host shows it, and
that it is the same is the proof that the archive is the one that was collected.

` + precedence + `

Exit status:
  0  everything was read, and the archive was written
  2  something could not be read, which the archive tells as well; or the archive
     could not be written, or was interrupted, and there is none
  3  wrong usage or configuration, or a file that cannot be written to: nothing was read`,
		Example: `  # on each control-plane node, as root
  etcdaudit collect --kubeconfig /etc/kubernetes/admin.conf

  # over ssh, without a file on the node
  ssh root@cp-1 etcdaudit collect --file - > cp-1.tar.gz

  # elsewhere
  etcdaudit host cp-1.tar.gz cp-2.tar.gz cp-3.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(cmd.Flags(), file, &config); err != nil {
				return err
			}
			run := auditRun{settings: config, config: file, groups: rules.Groups{Host: true}, getenv: os.Getenv, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
			return run.collect(cmd.Context())
		},
	}
	flags := cmd.Flags()
	cli.AddFlags(flags, &config.Collect)
	cli.AddFlags(flags, &config.Node)
	cli.AddFlags(flags, &config.API)
	cli.AddFlags(flags, &config.Host)
	cli.AddFlags(flags, &config.Metrics)
	flags.StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// collect reads this node and writes the archive.
func (a *auditRun) collect(ctx context.Context) error {
	if _, err := a.validate(report.Formats(), nil); err != nil {
		return err
	}
	if err := overwrites(cmp.Or(a.Collect.File, archiveName(&facts.Host{})), a.inputs(a.config)); err != nil {
		return err
	}
	if err := a.Collect.writable(); err != nil {
		return cli.Usage(err)
	}
	h, err := a.host(ctx)
	if err != nil {
		return err
	}
	file := cmp.Or(a.Collect.File, archiveName(h))
	if err := overwrites(file, a.onNode(h)); err != nil {
		return err
	}
	build := cli.BuildOf(name)
	c := archive.Contents{Tool: archive.Tool{Name: name, Version: build.Version, Commit: build.Commit}, Host: h}
	a.say("node %s: %s; %d etcds, %d API servers, %d certificates, %d files and processes read", cmp.Or(h.Node, "without a name"), h.Setup.Kind, len(h.Etcds), len(h.APIServers), len(h.Certificates), len(h.Read))
	unread := h.Unread
	if h.Copied != "" {
		unread = append(slices.Clone(unread), facts.Missing{What: "owners, modes and times", Why: h.Copied, Do: "mount the node's own file system, or collect on the node"})
	}
	for _, m := range unread {
		a.say("not read: %s", missingText(m))
	}
	var written record.Input
	write := func(w io.Writer) (err error) {
		written, err = archive.Write(w, c)
		return err
	}
	if file == "-" {
		err = write(a.stdout)
	} else {
		err = atomicfile.Write(file, 0o600, write)
	}
	if err != nil {
		return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("write the archive %s: %w", file, err))
	}
	a.say("%s has %d bytes, %s", file, written.Bytes, written.Hash)
	if file != "-" {
		if _, err := fmt.Fprintf(a.stdout, "%s  %s\n", strings.TrimPrefix(written.Hash, "sha256:"), file); err != nil {
			return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("print the SHA-256: %w", err))
		}
	}
	if len(unread) > 0 {
		return cli.Exit(report.ExitNotEvaluated, nil)
	}
	return nil
}

// overwrites refuses an archive in the place of what is read.
func overwrites(file string, inputs []input) error {
	if file == "-" {
		return nil
	}
	return apart("file", file, inputs)
}

// writable is asked before a node is read, which may take minutes. Without a name the archive
// will be in the current directory.
func (c collectPart) writable() error {
	file := cmp.Or(c.File, archiveName(&facts.Host{}))
	if file == "-" {
		return nil
	}
	if err := atomicfile.Probe(file); err != nil {
		return fmt.Errorf("file: %s: %w", file, advised(err, "give --file -"))
	}
	return nil
}

func missingText(m facts.Missing) string {
	text := m.What + ": " + m.Why
	if m.Do != "" {
		text += ": " + m.Do
	}
	return text
}

// archiveName is the default: node and time, without anything that has a meaning in a path.
func archiveName(h *facts.Host) string {
	node := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, term.Printable(h.Node))
	return fmt.Sprintf("etcdaudit-%s-%s.tar.gz", cmp.Or(node, "node"), h.Now.UTC().Format("20060102T150405Z"))
}
