package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/test/bench/record"
)

// verdict is one figure beside what it must reach.
type verdict struct {
	what, measured, bound string
	// used is how much of what is allowed is used: up to 1 is within. Negative
	// if nothing is demanded.
	used float64
}

func (v verdict) demanded() bool { return v.used >= 0 }
func (v verdict) reached() bool  { return v.used <= 1 }

// verdicts judges every latency with limits, and every figure.
func verdicts(entries []record.Entry) []verdict {
	var all []verdict
	for _, l := range record.Latencies(entries) {
		for _, limit := range l.Limits {
			all = append(all, judgeLatency(l, limit))
		}
	}
	for _, f := range record.Figures(entries) {
		all = append(all, judgeFigure(f))
	}
	return all
}

func judgeLatency(l record.Merged, limit record.Limit) verdict {
	if limit.Ratio == 0 {
		took, _ := record.At(l.SubjectTimes, limit.At)
		return verdict{
			what:     fmt.Sprintf("%s, %s", l.Subject, record.QuantileName(limit.At)),
			measured: milliseconds(took) + " ms", bound: "≤ " + milliseconds(float64(limit.Time)) + " ms",
			used: took / float64(limit.Time),
		}
	}
	ratio, _ := record.At(l.Ratios, limit.At)
	return verdict{
		what:     fmt.Sprintf("%s, %s against %s", l.Subject, record.QuantileName(limit.At), l.Floor),
		measured: times(ratio), bound: fmt.Sprintf("≤ %.3g×", limit.Ratio),
		used: ratio / limit.Ratio,
	}
}

func judgeFigure(f record.Figure) verdict {
	v := verdict{what: f.What, measured: number(f.Value, f.Unit), used: -1}
	switch {
	case f.Most != nil:
		v.bound, v.used = "≤ "+number(*f.Most, f.Unit), share(f.Value, *f.Most)
	case f.Least != nil:
		v.bound, v.used = "≥ "+number(*f.Least, f.Unit), share(*f.Least, f.Value)
	}
	return v
}

// share is value / most, where 0 of 0 is all right, and so is less than nothing.
func share(value, most float64) float64 {
	switch {
	case value <= 0:
		return 0
	case most == 0:
		return 2
	default:
		return value / most
	}
}

func number(v float64, unit string) string {
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if v >= 1000 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	text = strings.TrimSuffix(text, ".0")
	switch unit {
	case "":
		return text
	case "×":
		return text + unit
	default:
		return text + " " + unit
	}
}

func times(ratio float64) string { return strconv.FormatFloat(ratio, 'f', 2, 64) + "×" }

// milliseconds has two digits that mean something.
func milliseconds(nanoseconds float64) string {
	ms := nanoseconds / float64(time.Millisecond)
	switch {
	case ms >= 10:
		return strconv.FormatFloat(ms, 'f', 0, 64)
	case ms >= 1:
		return strconv.FormatFloat(ms, 'f', 1, 64)
	default:
		return strconv.FormatFloat(ms, 'f', 2, 64)
	}
}
