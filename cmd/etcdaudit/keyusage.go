package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyusage"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/term"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// keyUsagePart says what key-usage answers.
type keyUsagePart struct {
	Below     int           `mapstructure:"below" help:"ask whether anything needs a version below this one (exit status 1), so that these can be retired"`
	MaxAge    time.Duration `mapstructure:"max-age" help:"mark versions that were created longer ago, such as 2160h (0 for no limit)"`
	Backups   string        `mapstructure:"backups" help:"inventory of all backups: lines declared: DATE and by: NAME, then a path or pattern a line, or none; they are read as well"`
	OtherKeys []string      `mapstructure:"vault-other-key" help:"MOUNT/NAME of another Transit key that values may be under, so that they are told apart; repeatable"`
	Register  string        `mapstructure:"register" help:"earlier register in JSON, for the creation times of versions that Vault lists no more"`
}

func keyUsageCommand() *cobra.Command {
	config := defaults()
	var file string
	cmd := &cobra.Command{
		Use:   "key-usage [PATH...]",
		Short: "Say what still needs each version of a key",
		Long: `key-usage reads what scan reads (a running etcd, the files of this node's etcd, or
the paths that are named) and the backups of --backups, and writes a register of keys:
each version with its key_id, when it was created and last needed, in which layers and
files, by how many values and how many distinct DEK sources. It reads what stands
beside the ciphertext, decrypts nothing, and needs no right to.

--below N asks whether the versions below N may be retired. Needed are live values,
history, and what is only in a write-ahead log; values in free pages are counted, and
nothing reads them. Whether there are other backups no program can know: --backups names
all that exist, and who says so. Without it the answer is never yes.

With --vault-key the register has what Vault says of the key: a token is enough that may
read keys/KEY. While min_decryption_version is raised Vault lists nothing below it:
--register FILE, an earlier register in JSON, keeps what was seen.

` + precedence + " " + user + `

Exit status:
  0  everything was read, --backups was given, and nothing needs a version below --below
  1  a version below --below is needed
  2  something could not be read, no inventory of backups was given, nothing shows which
     key some values are under, or the register could not be written
  3  wrong usage or configuration`,
		Example: `  # on a control-plane node, as root
  etcdaudit key-usage --work-dir /var/tmp --backups /etc/etcd-backups.txt

  # may version 1 and 2 of the key be retired?
  etcdaudit key-usage --below 3 --work-dir /var/tmp --backups /etc/etcd-backups.txt \
    --vault-address https://vault.example.com:8200 --vault-token-file /run/vault/token --vault-key kubernetes

  # where /etc/etcd-backups.txt says
  #   declared: 2026-11-28
  #   by: Jane Doe
  #   /var/backups/etcd/*.db

  # keep a register, and with it when versions were created
  etcdaudit key-usage --register keys.json --output json=keys.json --output table

  # what the files of a stopped member and its snapshots need, as a list
  etcdaudit key-usage --output csv /var/lib/etcd /var/backups/etcd`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := refuseArguments(paths); err != nil {
				return err
			}
			config.Connection = config.Connection.withEtcdctl(os.Getenv)
			if err := loadSettings(cmd.Flags(), file, &config); err != nil {
				return err
			}
			a := auditRun{
				settings: config, config: file, groups: rules.Groups{Data: true}, forKeys: true, paths: paths,
				given: cmd.Flags().Changed, getenv: os.Getenv, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
			}
			return a.keyUsage(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayP("output", "o", config.Output.Output, "table, json or csv; FORMAT=FILE writes a file; repeatable, at most one of them without a file")
	cli.AddFlags(flags, &config.KeyUsage)
	cli.AddFlags(flags, &config.Vault)
	cli.AddFlags(flags, &config.Node)
	cli.AddFlags(flags, &config.Connection)
	cli.AddFlags(flags, &config.Files)
	cli.AddFlags(flags, &config.Paths)
	flags.Int("rate", config.Scan.Rate, "most MiB of keys and values to read from etcd a second (0 for no limit)")
	flags.Duration("timeout", config.Scan.Timeout, "how long one request to etcd or Vault may take")
	flags.StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// keyUsage is a whole run of key-usage, from the settings to the exit status.
func (a *auditRun) keyUsage(ctx context.Context) error {
	a.Timeline.Timeline, a.TLS.Plan = false, false // a file or a variable may set them for other commands
	if err := a.refuseMisuse(); err != nil {
		return err
	}
	if _, err := a.validate(report.RegisterFormats(), slices.Concat(a.inputs(a.config), named(a.paths, true))); err != nil {
		return err
	}
	o := audit.RegisterOptions{
		Below: a.KeyUsage.Below, MaxAge: a.KeyUsage.MaxAge, BackupsFile: a.KeyUsage.Backups, Skew: a.settings.Timeline.ClockSkew, Now: time.Now(),
		Tool: toolOf(),
	}
	var err error
	if o.Backups, err = a.KeyUsage.inventory(o.Now); err != nil {
		return cli.Usage(err)
	}
	if err := cmp.Or(a.KeyUsage.onlyItself(a.out), a.out.apart(listed(o.Backups))); err != nil {
		return err
	}
	keys, err := a.Vault.configs(a.KeyUsage.OtherKeys)
	if err != nil {
		return cli.Usage(err)
	}
	if len(keys) > 0 {
		a.warnOfToken()
	}
	earlier, err := a.KeyUsage.earlier(ctx)
	if err := cmp.Or(err, a.validateFiles()); err != nil {
		return err
	}
	if err := a.keepsAll(earlier, keys); err != nil {
		return err
	}
	for _, c := range keys {
		key, err := transitKey(ctx, c, a.Scan.Timeout)
		if ctx.Err() != nil {
			return cli.Exit(report.ExitNotEvaluated, fmt.Errorf("read the key %s in Vault: interrupted: %w", c.KeyPath(), context.Cause(ctx)))
		}
		if err != nil {
			o.Missing = append(o.Missing, facts.Missing{What: "the key " + c.KeyPath() + " in Vault", Why: err.Error()})
			key = keyusage.TransitKey{Path: c.KeyPath()}
		}
		key.Remember(earlier[key.Path])
		o.TransitKeys = append(o.TransitKeys, key)
	}
	var read audit.Options
	closeAll, err := a.openForKeys(ctx, &read)
	defer closeAll()
	if err == nil {
		var closeBackups func()
		closeBackups, err = a.openBackups(ctx, o.Backups, &read)
		defer closeBackups()
	}
	if err != nil {
		return err
	}
	o.Sources, o.Progress, o.Missing = read.Sources, read.Progress, append(o.Missing, read.Missing...)
	r, err := audit.Register(ctx, o)
	if err != nil {
		return cli.Exit(report.ExitNotEvaluated, err)
	}
	if err := a.out.write(func(w io.Writer, f report.Format, c term.Colours) error { return report.WriteRegister(w, f, r, c) }, a.stdout, a.getenv); err != nil {
		return cli.Exit(report.ExitNotEvaluated, err)
	}
	if status := report.ExitStatusOf(r.Status); status != report.ExitPass {
		return cli.Exit(status, nil)
	}
	return nil
}

// inventory reads the inventory of backups; nil for none. Paths in it are relative to its directory.
func (k keyUsagePart) inventory(now time.Time) (*keyusage.Backups, error) {
	var errs []error
	if k.Below < 0 {
		errs = append(errs, fmt.Errorf("below: %d: want the number of a version", k.Below))
	}
	if k.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("max-age: %v: want 0 or longer", k.MaxAge))
	}
	if err := cmp.Or(errs...); err != nil || k.Backups == "" {
		return nil, err
	}
	if err := usable(k.Backups); err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	text, err := os.ReadFile(k.Backups)
	if err != nil {
		return nil, fmt.Errorf("backups: %w", err)
	}
	b, err := keyusage.ParseBackups(string(text), now)
	if err != nil {
		return nil, fmt.Errorf("backups: %s: %w", k.Backups, err)
	}
	for i, path := range b.Paths {
		if !filepath.IsAbs(path) {
			b.Paths[i] = filepath.Join(filepath.Dir(k.Backups), path)
		}
	}
	return &b, nil
}

// listed are the files and directories of an inventory; none without one.
func listed(b *keyusage.Backups) (all []input) {
	if b == nil {
		return nil
	}
	for _, pattern := range b.Paths {
		paths, _ := filepath.Glob(pattern) // what is wrong with it is said where it is read
		for _, path := range paths {
			all = append(all, input{path, "backups", true})
		}
	}
	return all
}

// openForKeys opens what scan would read. What it returns closes it, also after an error.
func (a *auditRun) openForKeys(ctx context.Context, o *audit.Options) (closeAll func(), err error) {
	if len(a.paths) > 0 {
		closeFiles, err := a.openPaths(ctx, o)
		if err != nil {
			return func() {}, err
		}
		return func() { _ = closeFiles() }, nil
	}
	a.node = &facts.Host{}
	if len(a.Connection.Endpoints) == 0 {
		h, err := a.host(ctx)
		if err == nil {
			err = a.out.apart(a.onNode(h))
		}
		if err != nil {
			return func() {}, err
		}
	}
	a.choose()
	closeFiles, err := a.openNode(ctx, o)
	if err != nil {
		return closeFiles, err
	}
	closeLive, err := a.openLive(ctx, o)
	if err != nil {
		err = exitOf(err)
	} else if snapshot, ok := o.Sources[0].(*live.Snapshot); ok && len(o.Sources) == 1 {
		// Without its files, etcd itself has to tell its history.
		if history := snapshot.History(); history != nil {
			o.Sources = append(o.Sources, history)
		}
	}
	return func() { closeLive(); closeFiles() }, err
}

// openBackups opens what the inventory lists. What cannot be read is missing, and the rest is read.
// What it returns closes it, also after an error.
func (a *auditRun) openBackups(ctx context.Context, b *keyusage.Backups, o *audit.Options) (closeAll func(), err error) {
	var sets []*offline.Set
	progress := newReading(a.stderr)
	closeAll = func() {
		progress.end()
		for _, set := range sets {
			_ = set.Close()
		}
	}
	if b == nil {
		return closeAll, nil
	}
	how := a.reading(progress, *o)
	how.Optional, how.Declared, how.Prefix = true, true, a.Connection.Prefix
	missing := func(path, why string) {
		o.Missing = append(o.Missing, facts.Missing{What: "the backup " + path, Why: why})
	}
	for _, pattern := range b.Paths {
		paths, err := filepath.Glob(pattern)
		switch {
		case err != nil:
			missing(pattern, "this is no pattern of paths: "+err.Error())
		case len(paths) == 0 && strings.ContainsAny(pattern, `*?[`):
			missing(pattern, "no file has such a name")
		case len(paths) == 0:
			missing(pattern, "it is not there")
		}
		for _, path := range paths {
			set, err := offline.Open(ctx, []string{path}, how)
			if err != nil {
				return closeAll, cli.Exit(report.ExitNotEvaluated, err)
			}
			sets = append(sets, set)
			if err := a.out.apart(found(set)); err != nil {
				return closeAll, err
			}
			progress.of(set.Bytes)
			for _, why := range set.Skipped {
				missing(path, why)
			}
			for _, source := range set.Sources {
				if !has(o.Sources, source) {
					o.Sources = append(o.Sources, source)
				}
			}
		}
	}
	return closeAll, nil
}

// toolOf is this program, for what it writes.
func toolOf() *auditv1.Tool {
	build := cli.BuildOf(name)
	return &auditv1.Tool{Name: name, Version: build.Version, Commit: build.Commit}
}
