package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/sealproof/sealproof/test/bench/record"
)

// drawing is what test/bench/plot, a module of its own, reads: either lines or
// bars. The same type, with the same comments, is there.
type drawing struct {
	Name   string  `json:"name"` // of the file, without its extension
	Title  string  `json:"title"`
	X      axis    `json:"x"`
	Y      axis    `json:"y"`
	Lines  []line  `json:"lines"`
	Bars   []bar   `json:"bars"`
	BarMax float64 `json:"bar_max"` // where the axis of the bars ends
}

type axis struct {
	Label string `json:"label"`
	Log   bool   `json:"log"`
	Zero  bool   `json:"zero"`  // begins at 0
	Ticks []tick `json:"ticks"` // empty: the library's own
}

type tick struct {
	At    float64 `json:"at"`
	Label string  `json:"label"`
}

type line struct {
	Name   string         `json:"name"`
	Dashed bool           `json:"dashed"`
	Points []record.Point `json:"points"`
}

// bar is drawn up to Value; a line stands at 1.
type bar struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Label string  `json:"label"`
}

func drawings(entries []record.Entry) []drawing {
	all := []drawing{summary(verdicts(entries))}
	var groups []string
	byGroup := map[string][]record.Merged{}
	for _, l := range record.Latencies(entries) {
		if l.Group != "" && byGroup[l.Group] == nil {
			groups = append(groups, l.Group)
		}
		byGroup[l.Group] = append(byGroup[l.Group], l)
	}
	for _, group := range groups {
		all = append(all, distributions(group, byGroup[group]))
	}
	for _, e := range entries {
		if e.Series != nil {
			all = slices.DeleteFunc(all, func(d drawing) bool { return d.Name == "memory" }) // of an earlier run
			all = append(all, series(*e.Series))
		}
	}
	return all
}

// summary shows how much each figure uses of what it is allowed.
func summary(all []verdict) drawing {
	d := drawing{Name: "targets", Title: "How much of its limit each figure uses (left of the line: reached)", BarMax: 1.5,
		X: axis{Ticks: []tick{{0, "0"}, {.5, "50 %"}, {1, "100 %"}, {1.5, "150 %"}}}}
	for _, v := range all {
		if v.demanded() {
			d.Bars = append(d.Bars, bar{Name: v.what, Value: v.used, Label: v.measured + " (" + v.bound + ")"})
		}
	}
	return d
}

// distributions shows latencies over quantiles, which stand as far apart as the
// callers beyond them are rare.
func distributions(group string, all []record.Merged) drawing {
	const shallowest, deepest = .01, .999 // the very fastest calls tell nothing
	d := drawing{Name: group, Title: "Time of a call, by the share of calls that are faster",
		Y: axis{Label: "milliseconds", Log: true}}
	place := func(q float64) float64 { return -math.Log10(1 - q) }
	for _, q := range []float64{shallowest, .5, .9, .99, deepest} {
		d.X.Ticks = append(d.X.Ticks, tick{place(q), fmt.Sprintf("%v %%", 100*q)})
	}
	placed := func(curve []record.Point) []record.Point {
		var points []record.Point
		for _, p := range curve {
			if p[0] >= shallowest && p[0] <= deepest {
				points = append(points, record.Point{place(p[0]), p[1] / 1e6})
			}
		}
		return points
	}
	var subjects, floors []string
	for _, l := range all {
		if !slices.Contains(subjects, l.Subject) {
			subjects = append(subjects, l.Subject)
			d.Lines = append(d.Lines, line{Name: l.Subject, Points: placed(l.SubjectTimes)})
		}
	}
	for _, l := range all {
		if l.Floor != "" && !slices.Contains(floors, l.Floor) {
			floors = append(floors, l.Floor)
			d.Lines = append(d.Lines, line{Name: l.Floor, Dashed: true, Points: placed(l.FloorTimes)})
		}
	}
	return d
}

func series(s record.Series) drawing {
	return drawing{Name: "memory", Title: s.Name, X: axis{Label: "seconds"}, Y: axis{Label: s.Unit, Zero: true},
		Lines: []line{{Name: s.Name, Points: s.Points}}}
}
