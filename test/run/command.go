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
func (c command) stream(ctx context.Context, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) //nolint:gosec // the commands are this program's own
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := group.Run(ctx, cmd, grace); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.args, " "), err)
	}
	return nil
}

// quiet runs the command; its output is in the error, if there is one, and
// returned otherwise.
func (c command) quiet(ctx context.Context) (string, error) {
	var stdout, all bytes.Buffer
	both := &syncWriter{w: &all}
	if err := c.stream(ctx, io.MultiWriter(both, &stdout), both); err != nil {
		return "", fmt.Errorf("%w\n%s", err, withoutDownloads(all.String()))
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

// withoutDownloads removes the hundreds of lines that the go command writes
// on a fresh machine.
func withoutDownloads(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "go: downloading ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
