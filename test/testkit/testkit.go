// Package testkit is what tests of every package share. It must never know what is
// tested.
package testkit

import (
	"syscall"
	"testing"
	"time"
)

// Check ends the test if err is not nil.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Must turns a result with an error into one without: Must(f())(t).
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Check(t, err)
		return v
	}
}

// CPU is how much processor time this process has used. Limits on it hold on a machine that
// does other things as well.
func CPU(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	Check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
