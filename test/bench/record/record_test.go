package record

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// latency is one run in which each sample of the floor took a tenth of a second.
func latency(subject string, times ...time.Duration) Entry {
	floor := make([]time.Duration, len(times))
	for i := range floor {
		floor[i] = 100 * time.Millisecond
	}
	return Entry{Latency: &Latency{Subject: subject, Floor: "floor", Samples: len(times), SubjectTimes: Curve(times), FloorTimes: Curve(floor)}}
}

func TestRunsAreMergedByTheirMedians(t *testing.T) {
	merged := Latencies([]Entry{
		latency("a", 100*time.Millisecond), latency("b", time.Second), latency("a", 300*time.Millisecond),
		{Figure: &Figure{What: "not a latency"}}, latency("a", 900*time.Millisecond),
	})
	if len(merged) != 2 || merged[0].Subject != "a" || merged[1].Subject != "b" {
		t.Fatalf("merged into %+v", merged)
	}
	if a := merged[0]; a.Runs != 3 || a.Samples != 3 {
		t.Errorf("%d runs of %d samples", a.Runs, a.Samples)
	}
	if ratio, ok := At(merged[0].Ratios, .5); !ok || ratio != 3 {
		t.Errorf("the median of the ratios 1, 3 and 9 is %v, %v", ratio, ok)
	}

	figures := Figures([]Entry{{Figure: &Figure{What: "n", Value: 7}}, {Figure: &Figure{What: "n", Value: 1}}, {Figure: &Figure{What: "n", Value: 2}}})
	if len(figures) != 1 || figures[0].Value != 2 {
		t.Errorf("the median of 7, 1 and 2 is %+v", figures)
	}
}

func TestACurveIsFineWhereItMatters(t *testing.T) {
	var samples []time.Duration
	for i := range 10_001 {
		samples = append(samples, time.Duration(10_000-i))
	}
	curve := Curve(samples)
	for q, want := range map[float64]float64{0: 0, .5: 5000, .9: 9000, .99: 9900, .999: 9990} {
		if got, ok := At(curve, q); !ok || got != want {
			t.Errorf("at %v: %v, %v; want %v", q, got, ok, want)
		}
	}
	if _, ok := At(Curve(nil), .5); ok {
		t.Error("nothing has a median")
	}
}

func TestAFileIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures")
	most := 4.0
	want := []Entry{
		{Figure: &Figure{What: "requests", Value: 3, Most: &most}},
		latency("a", time.Second),
		{Series: &Series{Name: "memory", Unit: "MiB", Points: []Point{{1, 28}}}},
	}
	for _, e := range want {
		if err := Append(path, e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i].Machine.Cores == 0 {
			t.Errorf("entry %d names no machine", i)
		}
		got[i].Machine = Machine{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}

	if err := os.WriteFile(path, []byte("{}\n{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a damaged file: %v", err)
	}
}
