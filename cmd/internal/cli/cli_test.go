package cli

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// program has a root that runs, as etcdaudit's, or that does not, as kmsplugin's.
func program(runs bool) *cobra.Command {
	root := &cobra.Command{Use: "program"}
	if runs {
		root.Args = cobra.NoArgs
		root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	root.AddCommand(VersionCommand("program"))
	return root
}

func TestUnknownCommandsAreAWrongCall(t *testing.T) {
	for args, want := range map[string]int{
		"help": 0, "help version": 0, "help completion bash": 0, "completion": 0, "completion bash": 0, "version": 0,
		"nonsense": 3, "help nonsense": 3, "help version nonsense": 3, "completion foo": 3, "completion bash foo": 3, "version foo": 3,
	} {
		for _, runs := range []bool{true, false} {
			root := program(runs)
			var out, errs bytes.Buffer
			root.SetArgs(strings.Fields(args))
			root.SetOut(&out)
			root.SetErr(&errs)
			status := Main(root, 2)
			if failed := want != 0; status != want || (out.Len() > 0) == failed || failed != (strings.Count(errs.String(), "\n") == 1) {
				t.Errorf("%s (the root runs: %v): status %d, want %d; stdout %q, stderr %q", args, runs, status, want, out.String(), errs.String())
			}
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOutputThatCannotBeWrittenIsTheProgramsOwnFailure(t *testing.T) {
	for _, args := range []string{"version", "version --output json", "completion bash", "completion zsh", "completion fish", "completion powershell"} {
		for _, failed := range []int{1, 2} {
			root := program(true)
			root.SetArgs(strings.Fields(args))
			root.SetOut(full{})
			root.SetErr(io.Discard)
			if status := Main(root, failed); status != failed {
				t.Errorf("%s: status %d, want %d", args, status, failed)
			}
		}
	}
}
