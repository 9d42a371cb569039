package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// openPaths opens a.paths. What it returns closes them.
func (a *auditRun) openPaths(ctx context.Context, o *audit.Options) (closeAll func() error, err error) {
	progress := newReading(a.stderr)
	how := a.reading(progress, *o)
	how.Prefix, how.WALDir = a.Connection.Prefix, a.Paths.WALDir
	if len(a.Connection.Endpoints) > 0 {
		how.Snapshot = a.snapshotFrom(a.Connection.Endpoints)
	}
	set, err := offline.Open(ctx, a.paths, how)
	if err != nil {
		progress.end()
		return nil, exitOfFile(ctx, err)
	}
	if err := a.out.apart(found(set)); err != nil {
		progress.end()
		return nil, errors.Join(err, set.Close())
	}
	progress.of(set.Bytes)
	a.takes(set, o)
	return func() error { progress.end(); return set.Close() }, nil
}

// openNode opens the files of this node's etcd, where they are to be read. What it returns closes
// them, also after an error.
func (a *auditRun) openNode(ctx context.Context, o *audit.Options) (closeAll func(), err error) {
	if !a.chosen || !a.Files.Files {
		return func() {}, nil
	}
	read := newReading(a.stderr)
	closeFiles, err := a.nodeFiles(ctx, o, read)
	return func() { closeFiles(); read.end() }, err
}

// openLive takes the revision of a running etcd. One that cannot be read is missing where there is
// something else to read.
func (a *auditRun) openLive(ctx context.Context, o *audit.Options) (closeAll func(), err error) {
	store, snapshot, err := a.pin(ctx)
	switch {
	case err == nil:
		progress := newProgress(a.stderr, snapshot.Keys)
		o.Sources, o.Progress = slices.Insert(o.Sources, 0, record.Source(snapshot)), progress.add
		return func() { progress.end(); _ = store.Close() }, nil
	case len(o.Sources) > 0 && ctx.Err() == nil:
		o.Missing = append(o.Missing, facts.Missing{What: "live values", Why: err.Error()})
		err = nil
	}
	return func() {}, err
}

func (a *auditRun) pin(ctx context.Context) (*live.Store, *live.Snapshot, error) {
	if len(a.Connection.Endpoints) == 0 {
		return nil, nil, fmt.Errorf("%w (%s: %s)", errNoEndpoint, a.setup.Kind, a.setup.Fact)
	}
	store, err := live.Connect(ctx, a.settings.live(a.getenv))
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := store.Pin(ctx, a.Connection.Prefix)
	if err != nil {
		_ = store.Close()
		return nil, nil, err
	}
	return store, snapshot, nil
}

var errNoEndpoint = errors.New("endpoints: none given, and none found on this node: use --endpoints, ETCDAUDIT_ENDPOINTS or ETCDCTL_ENDPOINTS")
