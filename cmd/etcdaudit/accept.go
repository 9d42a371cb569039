package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/acceptance"
	"github.com/sealproof/sealproof/internal/atomicfile"
)

func acceptCommand() *cobra.Command {
	var a acceptRun
	cmd := &cobra.Command{
		Use:   "accept ID",
		Short: "Write an entry for a file of accepted risks",
		Long: `accept takes a finding from a report in JSON and writes the entry with which its risk
is accepted: by whom, why, and until when. It prints the entry, or adds it to the end
of --file, whose other lines stay as they are. scan, tls, host, all and report take the
file with --accept. One finding or one object of it is accepted, never a whole check.`,
		Example: `  # the only finding of a check
  etcdaudit accept EA-305 --report report.json --owner team-storage \
    --reason "etcd's RBAC needs a patched API server" --expires 2027-06-30 >> accepted.yaml

  # one of several, added to a file
  etcdaudit accept EA-101 --report report.json --target default/db --owner team-db \
    --reason "moved to the vault in May" --compensating-control "rotated each night" \
    --expires 2027-05-31 --file accepted.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.do(cmd.Context(), args[0], cmd.OutOrStdout(), time.Now())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&a.report, "report", "", "report with the finding, in JSON")
	flags.StringVar(&a.target, "target", "", "target of the finding, or an object of it (default/db), if there are several")
	flags.StringVar(&a.fingerprint, "fingerprint", "", "fingerprint of the finding or object")
	flags.StringVar(&a.entry.Node, "node", "", "node of the finding, if the report is about several; the entry is then about this node only")
	flags.StringVar(&a.entry.Owner, "owner", "", "who answers for the risk")
	flags.StringVar(&a.entry.Reason, "reason", "", "why it can be borne")
	flags.StringVar(&a.entry.CompensatingControl, "compensating-control", "", "what is done instead")
	flags.StringVar(&a.expires, "expires", "", "last day on which it is accepted, 2027-06-30")
	flags.StringVar(&a.file, "file", "", "file of accepted risks to add the entry to")
	return cmd
}

type acceptRun struct {
	report, target, fingerprint, expires, file string
	entry                                      acceptance.Entry
}

func (a acceptRun) do(ctx context.Context, check string, stdout io.Writer, now time.Time) error {
	var missing []string
	for _, needed := range []struct{ flag, value string }{{"report", a.report}, {"owner", a.entry.Owner}, {"reason", a.entry.Reason}, {"expires", a.expires}} {
		if strings.TrimSpace(needed.value) == "" {
			missing = append(missing, needed.flag)
		}
	}
	if len(missing) > 0 {
		return cli.Usage(fmt.Errorf("not given, but needed: %s", strings.Join(missing, ", ")))
	}
	if a.target != "" && a.fingerprint != "" {
		return cli.Usage(errors.New("target and fingerprint: give one of them"))
	}
	day, err := time.Parse(time.DateOnly, a.expires)
	switch {
	case err != nil:
		return cli.Usage(fmt.Errorf("expires: %q: want a day, such as 2027-06-30", a.expires))
	case !day.AddDate(0, 0, 1).After(now):
		return cli.Usage(fmt.Errorf("expires: %s is over: what is accepted until then counts already", a.expires))
	}
	r, err := readStored(ctx, a.report)
	if err != nil {
		return cli.Usage(fmt.Errorf("report: %w", err))
	}
	found, err := acceptance.Find(r, check, a.target, a.fingerprint, a.entry.Node)
	if err != nil {
		return cli.Usage(err)
	}
	found.Owner, found.Reason, found.CompensatingControl, found.Expires = a.entry.Owner, a.entry.Reason, a.entry.CompensatingControl, day
	if a.file != "" {
		return a.add(found)
	}
	text, err := found.Text()
	if err == nil {
		// An entry that could not be read again must not be written.
		_, err = acceptance.Parse("entry", []byte(text), checkIDs())
	}
	if err != nil {
		return cli.Usage(err)
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// add adds the entry to the file.
func (a acceptRun) add(e acceptance.Entry) error {
	if err := apart("file", a.file, []input{{a.report, "report", false}}); err != nil {
		return err
	}
	if err := atomicfile.Probe(a.file); err != nil {
		return cli.Usage(fmt.Errorf("file: %s: %w", a.file, advised(err, "leave the file out")))
	}
	text, mode, err := acceptance.With(a.file, e, checkIDs())
	if err != nil {
		return cli.Usage(fmt.Errorf("file: %w", err))
	}
	if err := atomicfile.Write(a.file, mode, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return fmt.Errorf("write %s, which is as it was: %w", a.file, err)
	}
	return nil
}
