package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/internal/term"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// longestRehearsal is what the plugin allows (proto: RehearseRequest.duration).
const longestRehearsal = time.Hour

func newRehearse() *cobra.Command {
	var length time.Duration
	var yes bool
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Rehearse an outage: cut this node's plugin off from Vault for a while and report what fails",
		Long: `Cut the plugin on this node off from Vault, as an outage would, while the API
server uses it. Then report which requests failed, which others would have failed,
and how much longer the node could have served.

Nothing is changed in Vault, on disk or on another node. The plugin uses Vault again
when the time is over, and when this command is interrupted or killed: the rehearsal
lasts as long as its connection.

Exit status: 0 if no request failed, 1 if one did or the rehearsal ended early, 3 if
the command was called wrongly.`,
		Example: `  kmsplugin rehearse --for 10m
  kmsplugin rehearse --for 1h --yes --config /etc/kmsplugin/config.yaml`,
		Args: cobra.NoArgs,
	}
	find := addSocketFlags(cmd)
	cmd.Flags().DurationVar(&length, "for", 10*time.Minute, "how long, at most 1h")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if length <= 0 || length > longestRehearsal {
			return cli.Usage(fmt.Errorf("--for %v: want more than 0 and at most %v", length, longestRehearsal))
		}
		path, err := find()
		if err != nil {
			return err
		}
		if !yes {
			if err := confirm(cmd, path, length); err != nil {
				return err
			}
		}
		return rehearse(cmd.Context(), cmd.OutOrStdout(), path, length)
	}
	return cmd
}

// confirm asks for confirmation at the terminal.
func confirm(cmd *cobra.Command, path string, length time.Duration) error {
	if !term.IsTerminal(cmd.InOrStdin()) {
		return cli.Usage(errors.New("standard input is no terminal, so the rehearsal cannot be confirmed: confirm it with --yes"))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "This cuts the plugin at %s off from Vault for %s. Requests that need Vault will fail.\nContinue? [y/N] ", path, rounded(length))
	answer := make(chan string, 1)
	go func() { // reading a terminal cannot be interrupted; the process ends instead
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		return errors.New("not confirmed: no rehearsal was started")
	case <-cmd.Context().Done():
		return fmt.Errorf("no rehearsal was started: %w", errStopped)
	}
}

// rehearse runs one rehearsal and reports it.
func rehearse(ctx context.Context, w io.Writer, path string, length time.Duration) error {
	plugin, conn, err := dialPlugin(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	before, err := getInfo(ctx, plugin, path)
	if err != nil {
		return err
	}
	// Ends the rehearsal on every return.
	running, end := context.WithCancel(ctx)
	defer end()
	stream, err := plugin.Rehearse(running, &pluginv1.RehearseRequest{Duration: durationpb.New(length)})
	if err != nil {
		return explain(path, err)
	}
	r := rehearsal{before: before}
	progress := progressFor(w)
	for {
		var m *pluginv1.RehearseResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		r.last = m
		progress.show(m)
	}
	progress.done()
	switch {
	case r.last == nil && ctx.Err() == nil && !errors.Is(err, io.EOF):
		return explain(path, err) // refused: no rehearsal was started
	case r.last != nil:
		r.write(w)
	}
	return r.verdict(ctx, plugin, path, err)
}

// rehearsal is the result of a rehearsal.
type rehearsal struct {
	before *pluginv1.GetInfoResponse
	last   *pluginv1.RehearseResponse
}

// verdict returns the command's result.
func (r rehearsal) verdict(ctx context.Context, plugin pluginv1.PluginServiceClient, path string, ended error) error {
	if r.last.GetOver() && errors.Is(ended, io.EOF) {
		if r.failed() > 0 {
			return cli.Exit(1, nil) // the report has said which
		}
		return nil
	}
	why := "the connection to the plugin was lost"
	if ctx.Err() != nil || status.Code(ended) == codes.Canceled {
		why = errStopped.Error()
	}
	// The operator must know whether the plugin uses Vault again.
	left, err := waitRestored(context.WithoutCancel(ctx), plugin, path)
	switch {
	case err != nil:
		return fmt.Errorf("the rehearsal ended early (%s), and the plugin does not answer whether it uses Vault again: %w", why, err)
	case left > 0:
		return fmt.Errorf("the rehearsal ended early (%s), but the plugin is cut off for another %s: check it with kmsplugin status", why, rounded(left))
	default:
		return fmt.Errorf("the rehearsal ended early (%s); the plugin uses Vault again", why)
	}
}

// waitRestored waits until the plugin has noticed that the connection is closed. It
// returns how long the plugin will still be cut off, normally 0.
func waitRestored(ctx context.Context, plugin pluginv1.PluginServiceClient, path string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := getInfo(ctx, plugin, path)
		if err != nil || !info.GetRehearsal().GetActive() {
			return 0, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return info.GetRehearsal().GetLeft().AsDuration(), nil
		}
	}
}

func (r rehearsal) failed() (n int64) {
	for _, q := range r.last.GetRequests() {
		n += q.GetFailed()
	}
	return n
}

// write prints the result.
func (r rehearsal) write(w io.Writer) {
	fmt.Fprintf(w, "%s without Vault:\n", span(r.last.GetElapsed()))
	if len(r.last.GetRequests()) == 0 {
		fmt.Fprintln(w, "  no request of the API server")
	}
	for _, q := range r.last.GetRequests() {
		fmt.Fprintf(w, "  %-8s %d served, %d failed\n", term.Printable(q.GetMethod()), q.GetServed(), q.GetFailed())
		for _, reason := range q.GetReasons() {
			fmt.Fprintf(w, "           failed: %s\n", term.Printable(reason))
		}
	}
	if s := r.last.GetServing(); !s.GetOk() {
		fmt.Fprintf(w, "  at the end the plugin was not serving: %s\n", term.Printable(s.GetReason()))
	}
	if r.last.GetCouldLast() != nil {
		fmt.Fprintf(w, "The plugin could have served for another %s.\n", span(r.last.GetCouldLast()))
	}
	would := r.wouldFail()
	if len(would) == 0 {
		fmt.Fprintln(w, "No other request would have failed.")
		return
	}
	fmt.Fprintln(w, "These requests would have failed:")
	for _, line := range would {
		fmt.Fprintln(w, "  "+line)
	}
}

// wouldFail lists the requests that the plugin could not have served without Vault
// when the rehearsal began.
func (r rehearsal) wouldFail() (lines []string) {
	if r.before.GetEnvelope() == "vault" {
		lines = append(lines, "every Encrypt, which an API server needs at its start, and every Decrypt of a seed not decrypted before (envelope: vault)")
	}
	for _, key := range r.before.GetKeys() {
		for _, v := range key.GetVersions() {
			if !v.GetOpensWithoutVault() {
				lines = append(lines, fmt.Sprintf("Decrypt under version %d of %s (key_id %s)", v.GetNumber(), keyPath(key), v.GetKeyId()))
			}
		}
	}
	if r.before.GetKeep() != "systemd" {
		lines = append(lines, "all requests after a restart of the plugin: it saves no local KEKs (local-kek.keep: none)")
	}
	return lines
}

// progress shows how a rehearsal goes.
type progress struct {
	w    io.Writer
	live bool // one line that is overwritten; else a line for each change
	last string
}

func progressFor(w io.Writer) *progress { return &progress{w: w, live: term.IsTerminal(w)} }

func (p *progress) show(m *pluginv1.RehearseResponse) {
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%s, %s left", progressLine(m, true), span(m.GetLeft()))
		return
	}
	// Counters are left out, so that a log gets a line only for other changes.
	if line := progressLine(m, false); line != p.last {
		fmt.Fprintf(p.w, "%s %s\n", span(m.GetElapsed()), line)
		p.last = line
	}
}

func (p *progress) done() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// progressLine describes the state of a rehearsal.
func progressLine(m *pluginv1.RehearseResponse, counts bool) string {
	text := "cut off from Vault"
	if m.GetOver() {
		text = "uses Vault again"
	}
	if s := m.GetServing(); s.GetOk() {
		text += ", serving"
	} else {
		text += ", NOT serving: " + term.Printable(s.GetReason())
	}
	for _, q := range m.GetRequests() {
		if counts {
			text += fmt.Sprintf(", %s %d", term.Printable(q.GetMethod()), q.GetServed())
		}
		if q.GetFailed() > 0 {
			text += fmt.Sprintf(", %s %d FAILED", term.Printable(q.GetMethod()), q.GetFailed())
		}
	}
	return text
}
