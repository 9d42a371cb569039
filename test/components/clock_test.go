package components

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestAProgramsClockIsMovedAndNothingElse(t *testing.T) {
	t.Parallel()
	root, c := newTiny(t, `package main

import (
	"fmt"
	"time"
)

func main() {
	start := time.Now()
	fmt.Println(start.Unix(), time.Since(start) < time.Minute)
}
`)
	c.movable = true
	path, err := build(t, root, io.Discard, c)
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[string]time.Duration{"0s": 0, "10m": 10 * time.Minute, "-10m": -10 * time.Minute} {
		cmd := exec.CommandContext(t.Context(), path)
		cmd.Env = []string{ClockOffsetVariable + "=" + offset}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var seconds int64
		var still bool
		if _, err := fmt.Sscan(string(out), &seconds, &still); err != nil {
			t.Fatalf("it printed %q: %v", out, err)
		}
		if off := time.Until(time.Unix(seconds, 0)) - want; off.Abs() > time.Minute {
			t.Errorf("with offset %q its clock is %v off", offset, off)
		}
		if !still {
			t.Errorf("with offset %q its monotonic clock moved too", offset)
		}
	}
	if err := exec.CommandContext(t.Context(), "env", ClockOffsetVariable+"=soon", path).Run(); err == nil {
		t.Error("an offset that is no duration is passed over")
	}
}

// A program whose clock did not move would let every test of wrong clocks pass.
func TestAnUnknownClockIsNotMoved(t *testing.T) {
	for _, source := range []string{"", "package time\n\nfunc Now() Time {}\n", nowSource + nowSource} {
		if _, err := moveClock(source); err == nil || !strings.Contains(err.Error(), "clock.go") {
			t.Errorf("%q: %v", source, err)
		}
	}
}
