package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/etcdaudit/fleet"
	"github.com/sealproof/sealproof/etcdaudit/outcome"
	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
)

// reportCommand writes stored reports anew.
func reportCommand() *cobra.Command {
	config := defaults()
	config.Output.FailOn = "" // that of the report
	var file string
	cmd := &cobra.Command{
		Use:   "report FILE.json...",
		Short: "Write stored reports in other formats, several nodes' as one",
		Long: `report reads what --output json wrote, here or elsewhere, and writes it as a page, for
a code host, for CI or as a list. Those of several nodes become one report, with a
verdict for each node, and what differs between them is a finding; such a report
cannot be put together with further ones: give those of the single nodes. It connects to
nothing. The verdict of one report is its own, unless --fail-on, --strict, --accept or
--min-coverage asks for another one.

` + exits,
		Example: `  # a page to read
  etcdaudit report report.json --output html=report.html

  # several at once
  etcdaudit report report.json -o table -o sarif=etcd.sarif -o junit=etcd.xml

  # several nodes as one
  etcdaudit report node-1.json node-2.json node-3.json --output html=cluster.html`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := refuseArguments(files); err != nil {
				return err
			}
			if err := loadSettings(cmd.Flags(), file, &config); err != nil {
				return err
			}
			out, err := config.Output.outputs(report.Formats(), append(config.inputs(file), named(files, false)...))
			if err != nil {
				return cli.Usage(err)
			}
			accepted, err := config.Output.accepted()
			if err != nil {
				return err
			}
			r, stored, err := readAll(cmd.Context(), files)
			if err != nil {
				return exitOfFile(cmd.Context(), err)
			}
			if err := resettle(r, config.Output, accepted, stored); err != nil {
				return cli.Usage(err)
			}
			return finish(out, r, cmd.OutOrStdout(), os.Getenv)
		},
	}
	cli.AddFlags(cmd.Flags(), &config.Output)
	cmd.Flags().StringVar(&file, "config", "", "YAML file with these settings")
	return cmd
}

// readAll makes one report of those of several nodes, and says what its verdict has to ask
// for: what is strictest in any of them.
func readAll(ctx context.Context, names []string) (r *auditv1.Report, strictest outcome.Options, err error) {
	var reports []fleet.Given
	for _, name := range names {
		r, err := readStored(ctx, name)
		if err != nil {
			return nil, strictest, err
		}
		reports = append(reports, fleet.Given{File: name, Report: r})
		if s := r.Verdict.FailOn; s != 0 && (strictest.FailOn == 0 || s < strictest.FailOn) {
			strictest.FailOn = s
		}
		strictest.Strict = strictest.Strict || r.Verdict.Strict
		strictest.MinCoverage = max(strictest.MinCoverage, r.Coverage.GetMinimumPercent())
	}
	strictest.FailOn = cmp.Or(strictest.FailOn, auditv1.Severity_SEVERITY_MEDIUM)
	r, err = merged(reports)
	return r, strictest, err
}

// readStored reads a report from a file.
func readStored(ctx context.Context, name string) (*auditv1.Report, error) {
	return readAs(ctx, name, report.Read)
}

// readAs reads a report of a kind from a file. It may be a pipe, but not one that is never written to.
func readAs[T any](ctx context.Context, name string, read func(io.Reader, int64) (*T, error)) (*T, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // named by the user
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = f.Close() })() // ends a read that waits
	defer func() { _ = f.Close() }()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory: name a report", name)
	case info.Size() > report.Longest:
		return nil, fmt.Errorf("%s has %d bytes: more than %d are not read", name, info.Size(), report.Longest)
	}
	r, err := read(f, report.Longest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cmp.Or(context.Cause(ctx), err))
	}
	return r, nil
}

// resettle gives the report a verdict, where it is one of several reports and has none, or
// where another one was asked for.
func resettle(r *auditv1.Report, o outputPart, accepted []acceptance.Entry, stored outcome.Options) error {
	if n := o.MinCoverage; n < 0 || n > 100 {
		return fmt.Errorf("min-coverage: %d: want a percentage, 0 to 100", n)
	}
	failOn := stored.FailOn
	if o.FailOn != "" {
		var err error
		if failOn, err = report.ParseSeverity(o.FailOn); err != nil {
			return fmt.Errorf("fail-on: %w", err)
		}
	}
	if r.Verdict != nil && o.FailOn == "" && !o.Strict && o.Accept == "" && o.MinCoverage == 0 {
		return nil
	}
	o.Strict = o.Strict || stored.Strict
	o.MinCoverage = cmp.Or(o.MinCoverage, int(stored.MinCoverage))
	return o.settle(r, accepted, failOn, time.Now())
}
