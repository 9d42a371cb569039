// Package memory looks into the memory of a process for keys that should not be
// there any more. It must never run in the process that it looks at: its own
// copies of what it looks for would be found.
package memory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// trace counts the places where a key is found: its bytes, its round keys, and
// its text in base64, as which it goes to Vault and comes from there.
type trace struct{ key, expanded, text int }

func (t trace) plus(u trace) trace {
	return trace{t.key + u.key, t.expanded + u.expanded, t.text + u.text}
}

func TestWhatADroppedLocalKEKLeavesInMemory(t *testing.T) {
	for _, tc := range []struct {
		name, experiment string
		// erased says whether nothing may be left.
		erased bool
	}{
		{"a plain build", "", false},
		{"a build with GOEXPERIMENT=runtimesecret", "runtimesecret", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "holder")
			build := exec.Command("go", "build", "-o", program, "./holder")
			build.Env = append(os.Environ(), "GOEXPERIMENT="+tc.experiment, "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build: %v\n%s", err, out)
			}
			// What the collector leaves is a matter of chance: several runs.
			var held, interrupted, dropped trace
			const runs = 5
			for range runs {
				h, i, d := watch(t, program)
				held, interrupted, dropped = held.plus(h), interrupted.plus(i), dropped.plus(d)
			}
			t.Logf("in %d runs, while held: %d times the key, %d times its round keys, and %d when the threads had been interrupted; after it was dropped and collected: %d and %d",
				runs, held.key, held.expanded, interrupted.expanded, dropped.key, dropped.expanded)
			if held.expanded < runs {
				t.Error("the key is not found even while it is in use: this test looks for the wrong thing")
			}
			if tc.erased && interrupted.expanded > held.expanded {
				t.Error("registers held round keys after they were used")
			}
			if tc.erased && dropped != (trace{}) {
				t.Errorf("traces are left: %+v", dropped)
			}
		})
	}
}

// watch looks at one holder while it has a key and has just used it, again when
// its threads were interrupted, and after it has dropped the key.
func watch(t *testing.T, program string) (held, interrupted, dropped trace) {
	t.Helper()
	cmd := exec.Command(program)
	stdin := testkit.Must(cmd.StdinPipe())(t)
	stdout := testkit.Must(cmd.StdoutPipe())(t)
	testkit.Check(t, cmd.Start())
	defer func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	key := make([]byte, 32)
	rand.Read(key)
	if _, err := stdin.Write(key); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	reach := func(step string) {
		if !lines.Scan() || lines.Text() != step {
			t.Fatalf("the holder says %q, want %q", lines.Text(), step)
		}
	}
	look := func() trace {
		found := testkit.Must(scan(cmd.Process.Pid, key))(t)
		return found
	}
	proceed := func() {
		if _, err := stdin.Write([]byte{'\n'}); err != nil {
			t.Fatal(err)
		}
	}
	reach("held")
	held = look()
	testkit.Check(t, interrupt(t.Context(), cmd.Process.Pid))
	interrupted = look()
	proceed()
	reach("dropped")
	dropped = look()
	proceed()
	return held, interrupted, dropped
}

// interrupt sends every thread of a process the signal by which Go's collector and
// scheduler stop goroutines, so that what is left in its registers is written to
// memory, as happens now and then without it.
func interrupt(ctx context.Context, pid int) error {
	const none = "SigPnd:\t0000000000000000\n"
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		if err := unix.Tgkill(pid, tid, unix.SIGURG); err != nil {
			return fmt.Errorf("interrupt thread %d: %w", tid, err)
		}
		if err := cluster.Until(ctx, func(context.Context) error {
			status, err := os.ReadFile(filepath.Join(task, "status"))
			if err == nil && !strings.Contains(string(status), none) {
				err = errors.New("the signal is not delivered yet")
			}
			return err
		}); err != nil {
			return fmt.Errorf("interrupt thread %d: %w", tid, err)
		}
	}
	return nil
}

// scan searches all readable memory of a process for an AES-256 key: its bytes,
// those of its third round key, which no other form of the key contains, and its
// text.
func scan(pid int, key []byte) (found trace, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return trace{}, err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return trace{}, err
	}
	defer func() { err = errors.Join(err, mem.Close()) }()
	round := thirdRoundKey(key)
	text := []byte(base64.RawStdEncoding.EncodeToString(key)[:40]) // its end depends on the padding
	swapped := swapWords(round)                                    // where Go's own code keeps words, not bytes
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[v") { // vvar, vsyscall: the kernel's
			continue
		}
		var from, to int64
		var perms string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); err != nil {
			return trace{}, fmt.Errorf("line %q of maps: %w", line, err)
		}
		if perms[0] != 'r' {
			continue
		}
		const window = 1 << 20
		buffer := make([]byte, window+len(text))
		for at := from; at < to; at += window {
			n, err := mem.ReadAt(buffer[:min(int64(len(buffer)), to-at)], at)
			if err != nil && !errors.Is(err, io.EOF) && n == 0 {
				break // not backed by anything, such as the rest of a file
			}
			// What begins in the overlap belongs to the next window.
			found.key += count(buffer[:n], key, window)
			found.text += count(buffer[:n], text, window)
			found.expanded += count(buffer[:n], round, window) + count(buffer[:n], swapped, window)
		}
	}
	return found, nil
}

// count counts the occurrences that begin before limit.
func count(data, needle []byte, limit int) (n int) {
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], needle)
		if i < 0 || at+i >= limit {
			return n
		}
		n, at = n+1, at+i
	}
}
