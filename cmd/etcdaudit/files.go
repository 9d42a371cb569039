package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// files audits etcd's own files: a.paths.
func (a *auditRun) files(ctx context.Context, o audit.Options) (r *auditv1.Report, err error) {
	var keys keyring.Keyring
	defer keys.Clear()
	if o.EncryptionFile = a.Scan.EncryptionProviderConfig; o.EncryptionFile != "" {
		if o.Encryption, err = encryptionconfig.LoadWithKeys(o.EncryptionFile, keys.Opener); err != nil {
			return nil, cli.Usage(err)
		}
	}
	if o.Timeline != nil {
		for _, r := range covered(o.Encryption) {
			o.Timeline.Paths = append(o.Timeline.Paths, r.Path)
		}
	}
	progress := newReading(a.stderr)
	defer progress.end()
	set, err := offline.Open(ctx, a.paths, offline.Options{
		Prefix: a.Connection.Prefix, WALDir: a.Files.WALDir, WorkDir: a.Files.WorkDir, Resources: covered(o.Encryption), Memory: a.indexes(),
		Progress: progress.add, Now: time.Now,
	})
	switch wrong := new(offline.Error); {
	case errors.Is(err, fs.ErrNotExist) || errors.As(err, &wrong) && wrong.Err == nil:
		return nil, cli.Usage(err) // what was named is nothing of etcd's
	case err != nil:
		return nil, cli.Exit(report.ExitNotEvaluated, err)
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	progress.of(set.Bytes)
	for _, chosen := range set.Chosen {
		a.say("%s", chosen)
	}
	for _, skipped := range set.Skipped {
		o.Missing = append(o.Missing, facts.Missing{What: "a file", Why: skipped})
	}
	o.Sources = set.Sources
	if r, err = audit.Run(ctx, o); err != nil {
		return nil, cli.Exit(report.ExitNotEvaluated, err)
	}
	return r, nil
}

// covered are the resources beside Secrets that a configuration encrypts by their names. Those
// of a wildcard are found where their keys can be read.
func covered(c *encryptionconfig.Config) (all []carve.Resource) {
	if c == nil {
		return nil
	}
	for _, rule := range c.Rules() {
		name, group, _ := strings.Cut(rule.Entry, ".")
		if !rule.Encrypts() || name == "*" || rule.Entry == carve.Secrets().Path {
			continue
		}
		path := name
		if r := apiresource.Of(name); group != "" && r.Group != group {
			path = group + "/" + name
		}
		all = append(all, carve.Resource{Path: path, Group: group})
	}
	return all
}

func (s settings) validateFiles(paths []string) error {
	if len(paths) == 0 {
		if s.Files.WALDir != "" || s.Files.WorkDir != "" && !s.Timeline.Timeline {
			return cli.Usage(errors.New("wal-dir and work-dir: they are for files: name a data directory, a database or a snapshot"))
		}
		return nil
	}
	if s.Files.WALDir != "" && len(paths) > 1 {
		return cli.Usage(fmt.Errorf("wal-dir: it is of one data directory, and %d paths are given", len(paths)))
	}
	return nil
}
