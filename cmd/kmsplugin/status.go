package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

func newStatus() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the plugin on this node serves, and what it could decrypt without Vault",
		Long: `Ask the plugin on this node, over its socket, whether it serves and with which
key version, what it knows of Vault, and what it could still decrypt if Vault failed
now. The plugin answers from memory and does not contact Vault.

Exit status: 0 if it serves, 1 if it does not or does not answer, 3 if the command
was called wrongly.`,
		Example: `  kmsplugin status
  kmsplugin status --config /etc/kmsplugin/config.yaml
  kmsplugin status --socket-path /run/kmsplugin/sealproof.sock -o json`,
		Args: cobra.NoArgs,
	}
	find := addSocketFlags(cmd)
	addOutput(cmd, &output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		path, err := find()
		if err != nil {
			return err
		}
		plugin, conn, err := dialPlugin(cmd.Context(), path)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		info, err := getInfo(cmd.Context(), plugin, path)
		if err != nil {
			return err
		}
		if err := printStatus(cmd.OutOrStdout(), info, output); err != nil {
			return err
		}
		if !info.GetServing().GetOk() {
			return cli.Exit(1, nil) // the report has said why
		}
		return nil
	}
	return cmd
}

// addOutput gives a command the choice between a table and JSON.
func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "output format: table or json")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(output string) error {
	if output != "table" && output != "json" {
		return cli.Usage(fmt.Errorf("--output %s: want table or json", output))
	}
	return nil
}

func printStatus(w io.Writer, info *pluginv1.GetInfoResponse, output string) error {
	var text []byte
	if output == "json" {
		var err error
		if text, err = (protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}).Marshal(info); err != nil {
			return fmt.Errorf("print status: %w", err)
		}
		text = append(text, '\n')
	} else {
		var b strings.Builder
		statusView{info: info, now: time.Now(), colours: term.ColoursFor(w, os.Getenv)}.write(&b)
		text = []byte(b.String())
	}
	_, err := w.Write(text)
	return err
}

// statusView renders a plugin's information about itself.
type statusView struct {
	info    *pluginv1.GetInfoResponse
	now     time.Time // this node's clock
	colours term.Colours
}

func (v statusView) write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("serving", "%s", v.serving())
	row("cluster", "%s, envelope %s", v.info.GetCluster(), v.info.GetEnvelope())
	for _, key := range v.info.GetKeys() {
		v.key(row, key)
	}
	row("token", "%s", v.token())
	row("saved state", "%s", v.savedState())
	if r := v.info.GetRehearsal(); r.GetActive() {
		row("rehearsal", "%s", v.colours.Warn("cut off from Vault on purpose, for another "+span(r.GetLeft())))
	}
	row("plugin", "%s, commit %s, %s, started %s", v.info.GetBuild().GetVersion(), v.info.GetBuild().GetCommit(),
		v.info.GetBuild().GetGo(), v.info.GetStarted().AsTime().Format(time.RFC3339))
	_ = t.Flush() // into memory

	for _, key := range v.info.GetKeys() {
		if key.GetWithheld() != nil {
			v.withheld(w, key)
		}
	}
	for _, key := range v.info.GetKeys() {
		for _, h := range key.GetHazards() {
			fmt.Fprintf(w, "\n%s %s (%s): %s\n", v.colours.Warn("RISK"), term.Printable(h.GetName()), keyPath(key), term.Printable(h.GetText()))
		}
	}
	v.without(w)
}

func (v statusView) serving() string {
	s := v.info.GetServing()
	switch {
	case !s.GetOk():
		return v.colours.Bad("NO") + ": " + term.Printable(s.GetReason())
	case !s.GetWritable():
		return v.colours.Warn("reads only") + ", key_id " + s.GetKeyId() + ": " + term.Printable(s.GetReason())
	case servesRefused(v.info):
		return v.colours.Warn("yes, although Vault refuses the key") + ", key_id " + s.GetKeyId()
	default:
		return v.colours.Good("yes") + ", key_id " + s.GetKeyId()
	}
}

// servesRefused reports whether the key that writes is one that Vault refuses.
func servesRefused(info *pluginv1.GetInfoResponse) bool {
	for _, key := range info.GetKeys() {
		for _, version := range key.GetVersions() {
			if version.GetWrites() && version.GetRefused() {
				return true
			}
		}
	}
	return false
}

func (v statusView) key(row func(name, format string, args ...any), key *pluginv1.Key) {
	row("key "+key.GetSource(), "%s, type %s, latest version %d", keyPath(key), orUnknown(key.GetType()), key.GetLatest())
	row("  vault", "%s", v.probe(key.GetProbe()))
	switch {
	case key.GetWriteVersion() != 0:
		row("  writes with", "version %d", key.GetWriteVersion())
	case key.GetSource() != "vault":
		row("  writes with", "nothing: this key only decrypts")
	default:
		row("  writes with", "%s", v.colours.Bad("nothing"))
	}
	if key.GetNextVersion() != 0 {
		row("  will write with", "version %d from %s on (Vault's clock; %s)", key.GetNextVersion(),
			key.GetPromotes().AsTime().Format(time.RFC3339), v.until(key))
	}
	if low := key.GetMinDecryption(); low > 1 {
		row("  minimum", "Vault decrypts nothing older than version %d", low)
	}
}

// until says when the promotion is due by this node's clock.
func (v statusView) until(key *pluginv1.Key) string {
	promotes, announced := key.GetPromotes().AsTime(), key.GetAnnounced()
	left := promotes.Sub(v.now.Add(key.GetClockAhead().AsDuration()))
	switch {
	case left <= 0:
		return v.colours.Warn("overdue") + ": postponed until a promotion-delay after Vault is reachable again"
	case announced != nil && announced.AsTime().Before(promotes):
		return "in " + rounded(left) + "; postponed from " + announced.AsTime().Format(time.RFC3339) + " because Vault was unreachable for a while"
	default:
		return "in " + rounded(left)
	}
}

func (v statusView) probe(p *pluginv1.Probe) string {
	good := "no good probe since the start"
	if p.GetLastGood() != nil {
		good = "last good probe " + span(p.GetLastGood()) + " ago"
	}
	switch p.GetState() {
	case "ok":
		return v.colours.Good("ok") + ", " + good
	case "not yet", "":
		return v.colours.Warn("not asked yet")
	default:
		text := v.colours.Bad(term.Printable(p.GetState()))
		if p.GetFailing() != nil {
			text += " for " + span(p.GetFailing())
		}
		return text + ": " + term.Printable(p.GetReason()) + "; " + good
	}
}

func (v statusView) token() string {
	t := v.info.GetToken()
	switch {
	case t == nil:
		return "none"
	case t.GetExpires() == nil:
		return "does not expire, or there is none"
	}
	text := "expires " + t.GetExpires().AsTime().Format(time.RFC3339)
	if left := t.GetExpires().AsTime().Sub(v.now); left > 0 {
		text += ", in " + rounded(left)
	} else {
		text += ", " + v.colours.Warn("which has passed")
	}
	if t.GetProlongable() {
		return text + "; it is renewed before that"
	}
	return text + "; the plugin logs in again before that"
}

func (v statusView) savedState() string {
	if v.info.GetKeep() == "systemd" {
		return "local KEKs, held by systemd"
	}
	return "none: after a restart the plugin needs Vault"
}

// without lists what the node could decrypt if Vault failed now.
func (v statusView) without(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "\nIf Vault failed now, this node could still decrypt:\n  KEY\tVERSION\tCREATED\tKEY_ID\tDECRYPTS"
	for _, key := range v.info.GetKeys() {
		for _, version := range key.GetVersions() {
			if header != "" {
				fmt.Fprintln(t, header)
				header = ""
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", key.GetSource(), number(version),
				created(version), version.GetKeyId(), v.decrypts(version))
		}
	}
	if header != "" {
		fmt.Fprintln(t, "\nIf Vault failed now, this node could decrypt "+v.colours.Bad("nothing")+".")
	}
	_ = t.Flush() // into memory
	if seeds := v.info.GetHeld().GetOpenedSeeds(); seeds > 0 {
		fmt.Fprintf(w, "and %d seeds that Vault wrapped and that were unwrapped before.\n", seeds)
	}
}

func number(v *pluginv1.Version) string {
	text := strconv.Itoa(int(v.GetNumber()))
	if v.GetWrites() {
		text += " (writes)"
	}
	return text
}

func created(v *pluginv1.Version) string {
	if v.GetCreated() == nil {
		return "unlisted" // below the minimum, or of a replaced key
	}
	return v.GetCreated().AsTime().Format(time.DateOnly)
}

func (v statusView) decrypts(version *pluginv1.Version) string {
	switch {
	case version.GetWithheld():
		return v.colours.Bad("no") + ": withheld; recoverable for another " + span(version.GetWithheldLeft())
	case version.GetRefused() && version.GetOpensWithoutVault():
		return v.colours.Warn("yes") + ", although Vault refuses it, for " + span(version.GetLeaseLeft())
	case version.GetRefused():
		return v.colours.Bad("no") + ": Vault refuses this version"
	case !version.GetOpensWithoutVault():
		return v.colours.Warn("no") + ": no local KEK in memory"
	case version.GetUnconfirmed() != "":
		return v.colours.Warn("yes") + ", for " + span(version.GetLeaseLeft()) + "; Vault does not renew its lease: " + term.Printable(version.GetUnconfirmed())
	default:
		return v.colours.Good("yes") + ", for " + span(version.GetLeaseLeft())
	}
}

func keyPath(key *pluginv1.Key) string { return term.Printable(key.GetMount() + "/" + key.GetName()) }

func orUnknown(text string) string {
	if text == "" {
		return "not known yet"
	}
	return term.Printable(text)
}

func span(d *durationpb.Duration) string { return rounded(d.AsDuration()) }

// rounded leaves out irrelevant digits: 23h59m instead of 23h59m12.345s.
func rounded(d time.Duration) string {
	unit := time.Second
	if d >= time.Hour {
		unit = time.Minute
	}
	text := d.Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// errStopped is the error of an interrupted command.
var errStopped = errors.New("interrupted")
