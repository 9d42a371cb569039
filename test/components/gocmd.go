package components

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/internal/group"
)

// killAfter is how long a compiler that was interrupted has to stop.
const killAfter = 5 * time.Second

// goCommand runs the go command in dir and returns its standard output. What
// it wrote to standard error is in the error.
func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are this package's own
	cmd.Dir = dir
	// The user's GOFLAGS or go.work would change what is built without
	// changing the key under which it is kept.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	if err := group.Run(ctx, cmd, killAfter); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, messages(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// messages returns the go command's output without what is no message.
func messages(stderr string) string {
	var kept []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "go: downloading ") {
			kept = append(kept, line)
		}
	}
	return strings.TrimRight(strings.Join(kept, ""), "\n")
}

// toolchain returns, as NAME=VALUE, what decides the compiler's output besides
// sources and flags. It is asked in the module's own directory, whose go.mod
// may select another toolchain.
func toolchain(ctx context.Context, dir string, env []string) ([]string, error) {
	names := []string{
		"GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140",
		"CGO_ENABLED", "CGO_CFLAGS", "CGO_LDFLAGS",
	}
	out, err := goCommand(ctx, dir, env, append([]string{"env"}, names...)...)
	if err != nil {
		return nil, err
	}
	values := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(values) != len(names) {
		return nil, fmt.Errorf("go env answered %d values to %d names", len(values), len(names))
	}
	for i, name := range names {
		values[i] = name + "=" + values[i]
	}
	return values, nil
}
