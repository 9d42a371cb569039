// Package group runs a command together with everything that it starts, so
// that an interrupt reaches all of it: `go build` waits for its compilers and
// `go test` for its tests, and a signal to the go command alone leaves them
// running.
//
// It must never know what the commands are for.
package group

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// Run runs cmd, which must come from exec.CommandContext with ctx, in a process
// group of its own. When ctx ends, the whole group is interrupted, and killed
// if it is still there after grace; the error is then ctx's cause.
func Run(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = grace

	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		if cmd.Process != nil {
			// Whatever ignored the interrupt; an error means that nothing did.
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return context.Cause(ctx)
	}
	return err
}
