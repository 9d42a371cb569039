package bench

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recordFile, if set in the environment, is the file to which every figure is
// appended, one JSON object a line; test/bench/figures makes the tables and the
// plots of docs/performance.md from it. The types of this file are its format.
const recordFile = "SEALPROOF_BENCH_RECORD"

// latencyRecord is what a pair has measured.
type latencyRecord struct {
	Group        string  `json:"group"`
	Subject      string  `json:"subject"`
	Floor        string  `json:"floor,omitempty"`
	Limits       []limit `json:"limits,omitempty"`
	SubjectTimes []point `json:"subject_times"`
	FloorTimes   []point `json:"floor_times,omitempty"`
}

// point is a quantile and its time in nanoseconds, or a time in seconds and
// what was measured then.
type point [2]float64

// curve is a distribution as quantiles: the nearer to 1, the finer.
func curve(samples []time.Duration) []point {
	if len(samples) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(samples))
	var points []point
	add := func(q float64) { points = append(points, point{q, float64(pick(sorted, q))}) }
	for i := range 99 {
		add(float64(i) / 100)
	}
	for i := 990; i < 1000; i++ {
		add(float64(i) / 1000)
	}
	return points
}

// figure is one number that is not a time.
type figure struct {
	// What says what was counted, in a table; Metric names it in the output of
	// the benchmark.
	What   string  `json:"what"`
	Metric string  `json:"-"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`
	// What it must reach; nil for nothing.
	Most  *float64 `json:"most,omitempty"`
	Least *float64 `json:"least,omitempty"`
}

func bound(v float64) *float64 { return &v }

func (f figure) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(f.Value, f.Metric)
	record(b, "figure", f)
}

// seriesRecord is a value as it went over time.
type seriesRecord struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Points []point `json:"points"`
}

// machineRecord says what it was measured on.
type machineRecord struct {
	Cores  int       `json:"cores"`
	CPU    string    `json:"cpu"`
	Kernel string    `json:"kernel"`
	Go     string    `json:"go"`
	At     time.Time `json:"at"`
}

func thisMachine() machineRecord {
	m := machineRecord{Cores: runtime.NumCPU(), Go: runtime.Version(), At: time.Now().UTC()}
	var uname unix.Utsname
	if unix.Uname(&uname) == nil {
		m.Kernel = unix.ByteSliceToString(uname.Sysname[:]) + " " + unix.ByteSliceToString(uname.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
		}
	}
	return m
}

func record(b *testing.B, kind string, value any) {
	b.Helper()
	path := os.Getenv(recordFile)
	if path == "" {
		return
	}
	line, err := json.Marshal(map[string]any{kind: value, "machine": thisMachine()})
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		b.Fatal(err)
	}
}
