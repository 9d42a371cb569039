package components

import (
	"strings"
	"testing"
	"time"
)

func TestEstimateFollowsWhatWasMeasured(t *testing.T) {
	for name, tc := range map[string]struct {
		planned, spent time.Duration
		atLeast        time.Duration
		atMost         time.Duration
	}{
		"nothing measured: the known cost":           {0, 0, 5 * time.Minute, 5 * time.Minute},
		"a machine half as fast":                     {10 * time.Minute, 20 * time.Minute, 9 * time.Minute, 10 * time.Minute},
		"one quick step is no proof":                 {20 * time.Second, time.Second, 3 * time.Minute, 5 * time.Minute},
		"never more than twice as fast as is known":  {time.Hour, 0, 150 * time.Second, 150 * time.Second},
		"a machine as fast as the one measured here": {time.Hour, time.Hour, 5 * time.Minute, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var e estimator
			e.measured(tc.planned, tc.spent)
			if got := e.scale(5 * time.Minute); got < tc.atLeast || got > tc.atMost {
				t.Errorf("5 minutes are expected to take %s, want %s to %s", got, tc.atLeast, tc.atMost)
			}
		})
	}
}

func TestEstimateDoesNotPromiseAnEndThatIsOverdue(t *testing.T) {
	var e estimator
	if got, want := e.left(5*time.Minute, 2*time.Minute, time.Minute), 4*time.Minute; got != want {
		t.Errorf("on time: %s left, want %s", got, want)
	}
	if got, want := e.left(5*time.Minute, 10*time.Minute, time.Minute), 3*time.Minute; got != want {
		t.Errorf("overdue: %s left, want %s", got, want)
	}
}

func TestShortOfDiskAddsUpWhatGoesToOneFileSystem(t *testing.T) {
	// /a and /b are on one file system.
	filesystem := func(dir string) (uint64, int64, error) {
		if dir == "/c" {
			return 2, 10 * mib, nil
		}
		return 1, 100 * mib, nil
	}
	for name, tc := range map[string]struct {
		places []place
		want   []string // parts of the error; none if there is room
	}{
		"room on both":               {places: []place{{"/a", 50 * mib}, {"/b", 50 * mib}, {"/c", 10 * mib}}},
		"nothing needed":             {places: []place{{"/c", 0}}},
		"too much together":          {places: []place{{"/a", 60 * mib}, {"/b", 50 * mib}}, want: []string{"/a, /b: 110 MiB needed, 100 MiB free"}},
		"only the other is too full": {places: []place{{"/a", 60 * mib}, {"/c", 11 * mib}}, want: []string{"/c: 11 MiB needed, 10 MiB free"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := shortOfDisk(tc.places, filesystem)
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatalf("error is %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in: %v", want, err)
				}
			}
		})
	}
}

func TestDurationsAreWrittenForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Millisecond: "1.2s",
		59 * time.Second:        "59s",
		61 * time.Second:        "1m01s",
		12 * time.Minute:        "12m00s",
	} {
		if got := short(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}
