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

func (c command) run(ctx context.Context, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) //nolint:gosec // the commands are this program's own
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := group.Run(ctx, cmd, grace); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.args, " "), err)
	}
	return nil
}

// stream runs the command with its output going to out.
func (c command) stream(ctx context.Context, out io.Writer) error {
	both := &dropDownloads{w: out} // the same one: os/exec then writes to it one at a time
	return c.run(ctx, both, both)
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

// dropDownloads passes on everything but the lines about downloaded modules.
// It expects whole lines in one Write, as the go command writes them; what it
// does not recognise is shown.
type dropDownloads struct{ w io.Writer }

func (d *dropDownloads) Write(p []byte) (int, error) {
	if _, err := io.WriteString(d.w, components.WithoutDownloads(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
