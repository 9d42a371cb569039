package term

import "testing"

func TestASizeIsNeverShownAsNothing(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KiB", 1: "1 KiB", 1 << 10: "1 KiB", 1<<20 - 1: "1024 KiB", 512 << 20: "512 MiB", 3 << 29: "1.5 GiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
