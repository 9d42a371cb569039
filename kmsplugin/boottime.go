package kmsplugin

import (
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
