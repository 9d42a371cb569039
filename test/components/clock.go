package components

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ClockOffsetVariable is the environment variable that moves the clock of a
// program whose clock can be moved, such as KMSPluginSkewed: by a duration as
// time.ParseDuration reads it, "-10m".
const ClockOffsetVariable = "SEALPROOF_CLOCK_OFFSET"

// nowSource is the beginning of time.Now as the Go releases that this was
// written for have it, and nowMoved the same with the clock moved. Only the
// wall clock moves: the monotonic one, timers and CLOCK_BOOTTIME stay, as on a
// machine whose clock is wrong.
const (
	nowSource = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	nowMoved  = nowSource + "\tsec += clockOffset\n"
)

// importSource is where package time begins to import.
const importSource = "import (\n\t\"errors\"\n\t\"math/bits\"\n"

// moveClock returns the source of the standard library's time.go with a clock
// that ClockOffsetVariable moves. It fails rather than guess when the source is
// not the one that it knows: a program whose clock did not move would let every
// test of wrong clocks pass.
func moveClock(source []byte) ([]byte, error) {
	for _, change := range []struct{ from, to string }{
		{importSource, importSource + "\t\"syscall\"\n"},
		{nowSource, nowMoved},
	} {
		if n := bytes.Count(source, []byte(change.from)); n != 1 {
			return nil, fmt.Errorf("it contains %d times, not once, what is to be replaced; adapt test/components/clock.go to this Go release:\n%s", n, change.from)
		}
		source = bytes.Replace(source, []byte(change.from), []byte(change.to), 1)
	}
	return append(source, `
// clockOffset is in seconds.
var clockOffset = readClockOffset()

func readClockOffset() int64 {
	text, found := syscall.Getenv("`+ClockOffsetVariable+`")
	if !found {
		return 0
	}
	offset, err := ParseDuration(text)
	if err != nil {
		panic("`+ClockOffsetVariable+`: " + err.Error())
	}
	return int64(offset / Second)
}
`...), nil
}

// overlay writes what `go build -overlay` needs to move a program's clock into
// dir, and returns the flag. Nothing of the installed Go is changed.
func overlay(ctx context.Context, module, dir string) (flag string, err error) {
	root, err := goCommand(ctx, module, nil, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	original := filepath.Join(root, "src", "time", "time.go")
	source, err := os.ReadFile(original) //nolint:gosec // the compiler's own sources
	if err != nil {
		return "", fmt.Errorf("read Go's clock: %w", err)
	}
	moved, err := moveClock(source)
	if err != nil {
		return "", fmt.Errorf("move the clock in %s: %w", original, err)
	}
	replacement := filepath.Join(dir, "time.go.moved") // not *.go: gofmt -l looks at every file of that name
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := errors.Join(os.WriteFile(replacement, moved, 0o600), os.WriteFile(file, list, 0o600)); err != nil { //nolint:gosec // below the repository
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	return "-overlay=" + file, nil
}
