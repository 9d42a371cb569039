package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sealproof/sealproof/test/bench/chart"
	"github.com/sealproof/sealproof/test/bench/record"
)

func drawings(entries []record.Entry) []chart.Drawing {
	var all []chart.Drawing
	for section, of := range sections(entries) {
		all = append(all, summary(cmp.Or(section, "targets"), verdicts(of)))
	}
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
			all = slices.DeleteFunc(all, func(d chart.Drawing) bool { return d.Name == "memory" }) // of an earlier run
			all = append(all, series(*e.Series))
		}
	}
	return all
}

// summary shows how much each figure uses of what it is allowed.
func summary(name string, all []verdict) chart.Drawing {
	d := chart.Drawing{Name: name, Title: "How much of its limit each figure uses (left of the line: reached)",
		X: chart.Axis{Ticks: []chart.Tick{{At: 0, Label: "0"}, {At: .5, Label: "50 %"}, {At: 1, Label: "100 %"}, {At: 1.5, Label: "150 %"}}}}
	for _, v := range all {
		if v.demanded() {
			d.Bars = append(d.Bars, chart.Bar{Name: v.what, Value: v.used, Label: v.measured + " (" + v.bound + ")"})
		}
	}
	return d
}

// distributions shows latencies over quantiles, which stand as far apart as the
// callers beyond them are rare.
func distributions(group string, all []record.Merged) chart.Drawing {
	const shallowest, deepest = .01, .999 // the very fastest calls tell nothing
	d := chart.Drawing{Name: group, Title: "Time of a call, by the share of calls that are faster",
		Y: chart.Axis{Label: "milliseconds", Log: true}}
	place := func(q float64) float64 { return -math.Log10(1 - q) }
	for _, q := range []float64{shallowest, .5, .9, .99, deepest} {
		d.X.Ticks = append(d.X.Ticks, chart.Tick{At: place(q), Label: fmt.Sprintf("%v %%", 100*q)})
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
			d.Lines = append(d.Lines, chart.Line{Name: l.Subject, Points: placed(l.SubjectTimes)})
		}
	}
	for _, l := range all {
		if l.Floor != "" && !slices.Contains(floors, l.Floor) {
			floors = append(floors, l.Floor)
			d.Lines = append(d.Lines, chart.Line{Name: l.Floor, Dashed: true, Points: placed(l.FloorTimes)})
		}
	}
	return d
}

func series(s record.Series) chart.Drawing {
	return chart.Drawing{Name: "memory", Title: s.Name, X: chart.Axis{Label: "seconds"}, Y: chart.Axis{Label: s.Unit, Zero: true},
		Lines: []chart.Line{{Name: s.Name, Points: s.Points}}}
}
