package kmsplugin

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is the clock that leases run on: it counts suspended time and is
// never set, unlike Go's monotonic clock and the wall clock respectively.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME is missing, which Linux has had since 2.6.39: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// BootID names the present boot of this machine (random(4)): times since boot
// mean nothing after another one.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("tell this boot from others: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}
