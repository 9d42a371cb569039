// Package record is the file between the benchmarks, which append to it, and
// the tables and plots made of it: one JSON object a line.
//
// It must never know what was measured, nor how it is shown.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one line: exactly one of the pointers is set.
type Entry struct {
	Machine Machine `json:"machine"`
	// Section is the part of the document that it belongs to; empty for the first.
	Section string   `json:"section,omitempty"`
	Latency *Latency `json:"latency,omitempty"`
	Figure  *Figure  `json:"figure,omitempty"`
	Series  *Series  `json:"series,omitempty"`
}

// Machine is what it was measured on.
type Machine struct {
	Cores  int       `json:"cores"`
	CPU    string    `json:"cpu"`
	Kernel string    `json:"kernel"`
	Go     string    `json:"go"`
	At     time.Time `json:"at"`
}

// Latency is how long something took, and how long its floor took in the same
// run.
type Latency struct {
	// Group is the plot that it belongs to; empty for none.
	Group   string `json:"group,omitempty"`
	Subject string `json:"subject"`
	// Floor names what it was measured beside; empty if there is nothing.
	Floor  string  `json:"floor,omitempty"`
	Limits []Limit `json:"limits,omitempty"`
	// Samples is how many times each was measured.
	Samples      int     `json:"samples"`
	SubjectTimes []Point `json:"subject_times"`
	FloorTimes   []Point `json:"floor_times,omitempty"`
}

// Limit bounds one quantile (from 0 to 1): as a ratio to the floor's, or as a
// time where there is no floor.
type Limit struct {
	At    float64       `json:"at"`
	Ratio float64       `json:"ratio,omitempty"`
	Time  time.Duration `json:"time,omitempty"`
}

// Point is a quantile and its time in nanoseconds, or seconds since the start
// and what was measured then.
type Point = [2]float64

// Figure is a number that is not a time.
type Figure struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
	// Most and Least are what it must keep to; nil for nothing.
	Most  *float64 `json:"most,omitempty"`
	Least *float64 `json:"least,omitempty"`
}

// Series is a value as it went over time.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Points []Point `json:"points"`
}

// Curve is a distribution as quantiles: the nearer to 1, the finer.
func Curve(samples []time.Duration) []Point {
	if len(samples) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(samples))
	points := make([]Point, 0, 109)
	add := func(q float64) { points = append(points, Point{q, float64(Pick(sorted, q))}) }
	for i := range 99 {
		add(float64(i) / 100)
	}
	for i := 990; i < 1000; i++ {
		add(float64(i) / 1000)
	}
	return points
}

// Pick returns a quantile of sorted samples, of which there must be one.
func Pick[T any](sorted []T, q float64) T { return sorted[int(q*float64(len(sorted)-1))] }

// QuantileName is p50 for .5 and p99.9 for .999.
func QuantileName(q float64) string {
	return "p" + strings.TrimSuffix(strconv.FormatFloat(100*q, 'f', 1, 64), ".0")
}

// Append adds an entry to a file, with the machine filled in.
func Append(path string, e Entry) error {
	e.Machine = thisMachine()
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("record a figure: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the path is the caller's choice
	if err != nil {
		return fmt.Errorf("record a figure: %w", err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("record a figure: %w", err)
	}
	return nil
}

// Read returns every entry of a file.
func Read(path string) ([]Entry, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the caller's choice
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	var entries []Entry
	number := 0
	for line := range bytes.Lines(text) {
		number++
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read figures: %s, line %d: %w", path, number, err)
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("read figures: %s has none", path)
	}
	return entries, nil
}

func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), At: time.Now().UTC()}
	var uname unix.Utsname
	if unix.Uname(&uname) == nil {
		m.Kernel = unix.ByteSliceToString(uname.Sysname[:]) + " " + unix.ByteSliceToString(uname.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // without it the CPU has no name
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
		}
	}
	return m
}
