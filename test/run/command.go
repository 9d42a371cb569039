package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/group"
)

// grace is how long a command that was interrupted may take to clean up: a
// test stops a whole cluster.
const grace = 30 * time.Second

// command is a program to run at the root of the repository, or in dir.
type command struct {
	dir  string
	env  []string // added to this process's
	args []string // the program first
}

// tool returns a command that runs one of the tools pinned in test/tools.
func tool(args ...string) command {
	return command{args: append([]string{"go", "tool", "-modfile=test/tools/go.mod"}, args...)}
}

// stream runs the command with its output going to out.
func (c command) stream(ctx context.Context, out io.Writer) error { return c.run(ctx, out, out) }

func (c command) run(ctx context.Context, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) //nolint:gosec // the commands are this program's own
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr // os/exec writes to one at a time if they are the same
	if err := group.Run(ctx, cmd, grace); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.args, " "), err)
	}
	return nil
}

// quiet runs the command and returns its standard output. If it fails, all of its
// output is in the error.
func (c command) quiet(ctx context.Context) (string, error) {
	var stdout, stderr bytes.Buffer
	if err := c.run(ctx, &stdout, &stderr); err != nil {
		return "", fmt.Errorf("%w\n%s%s", err, stdout.String(), components.WithoutDownloads(stderr.String()))
	}
	return stdout.String(), nil
}

// step returns a step that shows the command's output only if it fails.
func (c command) step(name string) step {
	return step{name: name, run: func(ctx context.Context, _ io.Writer) error {
		_, err := c.quiet(ctx)
		return err
	}}
}

// saysNothing returns the run function of a step that fails if a command has any
// output, which the error then holds after the text.
func saysNothing(text string, args ...string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, _ io.Writer) error {
		out, err := command{args: args}.quiet(ctx)
		if err == nil && out != "" {
			err = fmt.Errorf("%s:\n%s", text, out)
		}
		return err
	}
}
