package group_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/internal/group"
)

func TestRunLeavesNothingBehindWhenInterrupted(t *testing.T) {
	// Started by a shell in the background, this process ignores interrupts, and its
	// children would as well. They do not inherit what is caught.
	if signal.Ignored(syscall.SIGINT) {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, syscall.SIGINT)
		defer signal.Stop(caught)
	}
	interrupted := errors.New("interrupted by the test")
	for name, script := range map[string]string{
		"a child that stops when interrupted": `sh -c 'echo $$; exec sleep 600'; true`,
		"a child that ignores interrupts":     `sh -c 'trap "" INT; echo $$; exec sleep 600 >/dev/null' & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cmd := exec.CommandContext(ctx, "sh", "-c", script)
			reader, writer := io.Pipe()
			cmd.Stdout = writer
			child := make(chan int, 1)
			go func() {
				var pid int
				_, err := fmt.Fscan(bufio.NewReader(reader), &pid)
				if err != nil {
					t.Error(err)
				}
				child <- pid
				cancel(interrupted)
			}()

			began := time.Now()
			err := group.Run(ctx, cmd, time.Minute)

			if !errors.Is(err, interrupted) {
				t.Errorf("error is %v, want %v", err, interrupted)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the interrupt did not stop it: it took %s", took)
			}
			pid := <-child
			deadline := time.Now().Add(30 * time.Second)
			for ; running(pid); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the child is still running")
				}
			}
		})
	}
}

// running says whether a process does anything still: one that has been killed
// stays as a zombie until something reaps it.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestRunReturnsTheCommandsOwnError(t *testing.T) {
	var exit *exec.ExitError
	err := group.Run(t.Context(), exec.CommandContext(t.Context(), "sh", "-c", "exit 3"), time.Second)
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("error is %v, want exit status 3", err)
	}
}
