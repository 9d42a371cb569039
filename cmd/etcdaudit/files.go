package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/carve"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/report"
	"github.com/sealproof/sealproof/etcdaudit/workfile"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/internal/term"
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
	o.Timeline = a.timeline(o.Encryption)
	forget, err := a.verification(ctx, &o, &keys)
	defer forget()
	if err != nil {
		return nil, err
	}
	closeFiles, err := a.openPaths(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()
	if r, err = audit.Run(ctx, o); err != nil {
		return nil, cli.Exit(report.ExitNotEvaluated, err)
	}
	a.tell(o.Verify)
	return r, nil
}

// reading says how files are read, whatever was named.
func (a *auditRun) reading(progress reading, o audit.Options) offline.Options {
	return offline.Options{WorkDir: a.Files.WorkDir, Resources: covered(o.Encryption), Memory: a.indexes(), Progress: progress.add, Now: time.Now}
}

// snapshotFrom asks some endpoints for the database of a member that runs.
func (a *auditRun) snapshotFrom(endpoints []string) func(ctx context.Context, cluster, member string, w io.Writer) (string, error) {
	s := a.settings
	s.Connection.Endpoints = endpoints
	return func(ctx context.Context, cluster, member string, w io.Writer) (string, error) {
		return live.CopyDatabase(ctx, s.live(a.getenv), cluster, member, w)
	}
}

// takes adds what was found, and says what was chosen.
func (a *auditRun) takes(set *offline.Set, o *audit.Options) {
	for _, chosen := range set.Chosen {
		a.say("%s", chosen)
	}
	for _, skipped := range set.Skipped {
		o.Missing = append(o.Missing, facts.Missing{What: "a file", Why: skipped})
	}
	for _, source := range set.Sources {
		// A folder of copies that was found can lie in another one.
		if !has(o.Sources, source) || len(a.paths) > 0 {
			o.Sources = append(o.Sources, source)
		}
	}
}

// has reports whether a source is of what another one reads already.
func has(sources []record.Source, source record.Source) bool {
	return slices.ContainsFunc(sources, func(other record.Source) bool { return other.Scopes()[0].ID() == source.Scopes()[0].ID() })
}

// covered are the resources beside Secrets that a configuration encrypts: the built-in ones, by
// their names or by a wildcard, and others that it names. Of the latter the kind is not known, so
// that they are found by their keys alone.
func covered(c *encryptionconfig.Config) (all []carve.Resource) {
	if c == nil {
		return nil
	}
	builtIn := map[string]bool{}
	for _, r := range apiresource.BuiltIn() {
		builtIn[r.String()] = true
		if rule, ok := c.For(r.Resource); ok && rule.Encrypts() && r.Path != carve.Secrets().Path {
			all = append(all, carve.Resource{Path: r.Path, Group: r.Group, Kind: r.Kind})
		}
	}
	for _, rule := range c.Rules() {
		name, group, _ := strings.Cut(rule.Entry, ".")
		if rule.Encrypts() && name != "*" && group != "" && !builtIn[rule.Entry] {
			all = append(all, carve.Resource{Path: group + "/" + name, Group: group})
		}
	}
	return all
}

// nodeFiles opens the files of this node's etcds and the copies that are on the node. What it
// returns closes them, also after an error.
func (a *auditRun) nodeFiles(ctx context.Context, o *audit.Options, progress reading) (closeAll func(), err error) {
	var sets []*offline.Set
	closeAll = func() {
		for _, set := range sets {
			_ = set.Close()
		}
	}
	var bytes int64
	add := func(how offline.Options, paths ...string) error {
		set, err := offline.Open(ctx, paths, how)
		if err != nil {
			return cli.Exit(report.ExitNotEvaluated, err)
		}
		sets, bytes = append(sets, set), bytes+set.Bytes
		a.takes(set, o)
		return a.out.apart(found(set))
	}
	how := a.reading(progress, *o)
	how.Optional = true
	var read []string
	for _, e := range a.node.Etcds {
		d := hostconfig.DataOf(e)
		if d.Dir == "" {
			o.Missing = append(o.Missing, facts.Missing{What: "the data directory of " + e.Name, Why: cmp.Or(e.Files[e.Config.DataDir].Err, "it is not on this node")})
			continue
		}
		of, dir := how, a.path(d.Dir)
		if slices.Contains(read, dir) {
			continue // another start of the same etcd
		}
		if d.WALDir != "" {
			of.WALDir = a.path(d.WALDir)
		}
		of.Snapshot = a.snapshotFrom(d.Endpoints)
		if err := add(of, dir); err != nil {
			return closeAll, err
		}
		if d.WALDir == "" && e.Config.WALDir != "" {
			o.Missing = append(o.Missing, facts.Missing{What: "the write-ahead log of " + e.Name, Why: cmp.Or(e.Files[e.Config.WALDir].Err, e.Config.WALDir+" is not on this node")})
		}
		read = append(read, dir)
	}
	for _, dir := range a.copies {
		dir = a.path(dir)
		if err := add(how, dir); err != nil {
			return closeAll, err
		}
		read = append(read, dir)
	}
	if progress.of(bytes); len(read) > 0 {
		a.say("files as well: %s, %s (--files=false leaves them out)", strings.Join(read, ", "), term.Size(bytes))
	}
	return closeAll, nil
}

// validateFiles checks what is said of files, where any are read.
func (a *auditRun) validateFiles() error {
	if !a.groups.Data {
		return nil
	}
	if len(a.paths) > 1 && a.Paths.WALDir != "" {
		return cli.Usage(fmt.Errorf("wal-dir: it is of one data directory, and %d paths are given", len(a.paths)))
	}
	if dir := a.Files.WorkDir; dir != "" && !a.onlyLive() {
		f, err := workfile.Make(dir, dir)
		if err != nil {
			return cli.Usage(fmt.Errorf("work-dir: make a file in %s: %w: %s", dir, err, workfile.Help))
		}
		_ = f.Close()
	}
	return nil
}
