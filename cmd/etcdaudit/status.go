package main

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/offline"
	"github.com/sealproof/sealproof/etcdaudit/report"
)

// exitOf gives an error its status: what cannot be used as given is the caller's mistake,
// all else means that nothing was evaluated. One that has a status keeps it.
func exitOf(err error) error {
	switch {
	case cli.Decided(err):
		return err
	case live.KindOf(err) == live.BadConfig || errors.Is(err, errNoEndpoint):
		return cli.Usage(err)
	}
	return cli.Exit(report.ExitNotEvaluated, err)
}

// exitOfFile gives its status to an error of a file that was named to be evaluated: one that is
// not there, or is not what it should be, is the caller's mistake; one that the system does not
// give, that is damaged, or that has no keys was not evaluated.
func exitOfFile(ctx context.Context, err error) error {
	misnamed := []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.ENXIO}
	number, system := errors.AsType[syscall.Errno](err)
	etcds, ok := errors.AsType[*offline.Error](err)
	if caused := ok && etcds.Err != nil; ctx.Err() != nil || system && !slices.Contains(misnamed, number) || !system && caused {
		return cli.Exit(report.ExitNotEvaluated, err)
	}
	return cli.Usage(err)
}
