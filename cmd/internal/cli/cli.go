// Package cli is shared by Sealproof's commands: it loads configuration, sets the
// exit status, and prints the version. It must never know what a command does, nor
// contain a secret.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// StatusUsage is the exit status of a wrong call: flags, arguments or configuration.
const StatusUsage = 3

type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// Exit makes err end the program with the given status. With a nil err nothing is
// printed.
func Exit(status int, err error) error { return &exitError{status: status, err: err} }

// Decided reports whether err has an exit status.
func Decided(err error) bool {
	_, ok := errors.AsType[*exitError](err)
	return ok
}

// Usage makes err end the program with StatusUsage.
func Usage(err error) error { return Exit(StatusUsage, err) }

// Main runs the command until it ends, or until SIGINT or SIGTERM ends its context; a
// second signal kills the process. An error is printed once. Main returns the exit
// status: 0, that of Exit, 3 for a wrong call, and failed for every other error, such as
// output that cannot be written.
func Main(root *cobra.Command, failed int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the default action is restored, so that a hanging shutdown
	// can be interrupted.
	context.AfterFunc(ctx, stop)

	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			err = fmt.Errorf("--%s: %w", wrong.GetFlag().Name, wanted(wrong.GetFlag(), wrong.GetValue()))
		}
		return Usage(err)
	})
	// An error before any command runs (an unknown command, a wrong number of arguments)
	// is a wrong call. cobra has no error type for that.
	refuseUnknownCommands(root)
	running := false
	root.PersistentPreRun = func(*cobra.Command, []string) { running = true }

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintf(root.ErrOrStderr(), "%s: %v\n", root.Name(), err)
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.status
	}
	if !running {
		return StatusUsage
	}
	return failed
}

// refuseUnknownCommands makes "help" and commands that only have subcommands, as "completion",
// refuse a name that they do not know: cobra prints a help text, and succeeds.
func refuseUnknownCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch {
		case cmd.Name() == "help":
			cmd.Args = func(_ *cobra.Command, names []string) error {
				if _, unknown, err := root.Find(names); err != nil || len(unknown) > 0 {
					return fmt.Errorf("help: there is no command %q", strings.Join(names, " "))
				}
				return nil
			}
		case cmd.HasSubCommands() && !cmd.Runnable():
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// Build describes a binary.
type Build struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// BuildOf describes the running binary, from the build information in it.
func BuildOf(name string) Build {
	b := Build{Name: name, Version: "(devel)", Commit: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	return b
}

// VersionCommand prints Build.
func VersionCommand(name string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go version",
		Example: "  " + name + " version\n  " + name + " version --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printBuild(cmd.OutOrStdout(), BuildOf(name), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "output format: text or json")
	return cmd
}

func printBuild(w io.Writer, b Build, output string) error {
	switch output {
	case "text":
		_, err := fmt.Fprintf(w, "%s %s (commit %s, %s, %s/%s)\n", b.Name, b.Version, b.Commit, b.Go, b.OS, b.Arch)
		return err
	case "json":
		return json.NewEncoder(w).Encode(b)
	default:
		return Usage(fmt.Errorf("--output %s: want text or json", output))
	}
}
