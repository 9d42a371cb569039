package main

import (
	"time"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/etcdaudit/controls"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// accepted reads the file of accepted risks, before anything else is done: a mistake in it
// must not be found only after the audit.
func (o outputPart) accepted() ([]acceptance.Entry, error) {
	if o.Accept == "" {
		return nil, nil
	}
	entries, err := acceptance.Load(o.Accept, checkIDs())
	if err != nil {
		return nil, cli.Usage(err)
	}
	return entries, nil
}

// settle is what is done with a report, new or stored, before it is written.
func (o outputPart) settle(r *auditv1.Report, accepted []acceptance.Entry, failOn auditv1.Severity, now time.Time) error {
	apply := acceptance.Renew
	if o.Accept != "" {
		apply = func(r *auditv1.Report, now time.Time) error { return acceptance.Apply(r, accepted, now) }
	}
	if err := apply(r, now); err != nil {
		return err
	}
	outcome.Settle(r, outcome.Options{FailOn: failOn, Strict: o.Strict, MinCoverage: uint32(o.MinCoverage)}) //nolint:gosec // at most 100
	return controls.Fill(r)
}
