package components

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ClockOffsetVariable is the environment variable that moves the clock of a
// program whose clock can be moved, such as KMSPluginSkewed: by a duration as
// time.ParseDuration reads it, "-10m".
const ClockOffsetVariable = "SEALPROOF_CLOCK_OFFSET"

// nowSource is the beginning of time.Now as the Go releases that this was written
// for have it. Only the wall clock moves: the monotonic one, timers and
// CLOCK_BOOTTIME stay, as on a machine whose clock is wrong.
const nowSource = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"

// offsetSource is added to package time.
const offsetSource = `package time

import "syscall"

// clockOffset is in seconds.
var clockOffset = readClockOffset()

func readClockOffset() int64 {
	text, found := syscall.Getenv("` + ClockOffsetVariable + `")
	if !found {
		return 0
	}
	offset, err := ParseDuration(text)
	if err != nil {
		panic("` + ClockOffsetVariable + `: " + err.Error())
	}
	return int64(offset / Second)
}
`

// moveClock returns the source of the standard library's time.go with a clock
// that ClockOffsetVariable moves. It fails rather than guess when the source is
// not the one that it knows.
func moveClock(source string) (string, error) {
	if n := strings.Count(source, nowSource); n != 1 {
		return "", fmt.Errorf("it contains %d times, not once, what is to be replaced; adapt test/components/clock.go to this Go release:\n%s", n, nowSource)
	}
	return strings.Replace(source, nowSource, nowSource+"\tsec += clockOffset\n", 1), nil
}

// overlay writes what `go build -overlay` needs to move a program's clock into
// dir, and returns the flag. Nothing of the installed Go is changed.
func overlay(ctx context.Context, module, dir string) (flag string, err error) {
	root, err := goCommand(ctx, module, nil, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	timeDir := filepath.Join(root, "src", "time")
	source, err := os.ReadFile(filepath.Join(timeDir, "time.go")) //nolint:gosec // the compiler's own sources
	if err != nil {
		return "", fmt.Errorf("read Go's clock: %w", err)
	}
	moved, err := moveClock(string(source))
	if err != nil {
		return "", fmt.Errorf("move the clock in %s: %w", timeDir, err)
	}
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": moved, "clockoffset.go": offsetSource} {
		file := filepath.Join(dir, name+".txt") // not *.go: gofmt looks at every file of that name
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write Go's clock: %w", err)
		}
		replace[filepath.Join(timeDir, name)] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	file := filepath.Join(dir, "overlay.json")
	return "-overlay=" + file, os.WriteFile(file, list, 0o600)
}
