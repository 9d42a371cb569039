package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/archive"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/fleet"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// evaluate makes one report of all archives. What one of them lacks is no reason to leave the
// others out, but an archive that cannot be read is: a report must not pass for one of all
// nodes.
func (a *auditRun) evaluate(ctx context.Context, o audit.Options) (*auditv1.Report, error) {
	var reports []fleet.Given
	for _, name := range a.archives {
		c, err := readArchive(name)
		if err != nil {
			return nil, exitOfFile(ctx, fmt.Errorf("%s: %w", name, err))
		}
		o.Host, o.Archive = c.Host, c.Source
		if a.Host.MaxSnapshotAge != defaults().Host.MaxSnapshotAge { // the auditor's own limit
			o.Host.MaxSnapshotAge = a.Host.MaxSnapshotAge
		}
		r, err := audit.Run(ctx, o)
		if err != nil {
			return nil, exitOf(fmt.Errorf("%s: %w", name, err))
		}
		reports = append(reports, fleet.Given{File: name, Report: r})
	}
	r, err := merged(reports)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return r, nil
}

// merged is the one report, or all of them as one.
func merged(reports []fleet.Given) (*auditv1.Report, error) {
	if len(reports) == 1 {
		return reports[0].Report, nil
	}
	return fleet.Merge(reports)
}

func readArchive(name string) (c archive.Contents, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // named by the user
	if err != nil {
		if at, ok := errors.AsType[*os.PathError](err); ok {
			err = at.Err
		}
		return c, err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return c, errors.New("it is no regular file")
	}
	c, err = archive.Read(f)
	c.Source.Name = name
	return c, err
}
