package components

import (
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
	path, err := build(t.Context(), root, io.Discard, c)
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[string]time.Duration{"": 0, "10m": 10 * time.Minute, "-10m": -10 * time.Minute} {
		cmd := exec.CommandContext(t.Context(), path)
		if offset != "" {
			cmd.Env = []string{ClockOffsetVariable + "=" + offset}
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(out))
		if len(fields) != 2 {
			t.Fatalf("it printed %q", out)
		}
		shown, err := time.ParseDuration(fields[0] + "s")
		if err != nil {
			t.Fatal(err)
		}
		if off := shown - time.Duration(time.Now().UnixNano()) - want; off.Abs() > time.Minute {
			t.Errorf("with offset %q its clock is %v off", offset, off)
		}
		if fields[1] != "true" {
			t.Errorf("with offset %q its monotonic clock moved too", offset)
		}
	}
	if err := exec.CommandContext(t.Context(), "env", ClockOffsetVariable+"=soon", path).Run(); err == nil {
		t.Error("an offset that is no duration is passed over")
	}
}

func TestAnUnknownClockIsNotMoved(t *testing.T) {
	t.Parallel()
	known := "package time\n\n" + importSource + ")\n\n" + nowSource + "}\n"
	if _, err := moveClock([]byte(known)); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{
		"empty":         "",
		"other imports": strings.Replace(known, "math/bits", "math", 1),
		"another Now":   strings.Replace(known, "runtimeNow", "now", 1),
		"two of them":   known + nowSource,
	} {
		if _, err := moveClock([]byte(source)); err == nil || !strings.Contains(err.Error(), "clock.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
