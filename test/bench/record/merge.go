package record

import "slices"

// Merged is one latency over all runs of a file: each value is the median of the
// runs' own, the ratios too.
type Merged struct {
	Latency
	Runs int
	// Ratios has the points of the curves, with subject / floor as values.
	Ratios []Point
}

// Latencies merges the runs of each subject beside one floor, in the order of first appearance.
func Latencies(entries []Entry) []Merged {
	var merged []Merged
	for _, runs := range grouped(entries, func(e Entry) (*Latency, string) {
		if e.Latency == nil {
			return nil, ""
		}
		return e.Latency, e.Latency.Subject + "\x00" + e.Latency.Floor
	}) {
		m := Merged{Latency: *runs[len(runs)-1], Runs: len(runs)}
		m.Samples = 0
		var subjects, floors, ratios [][]Point
		for _, run := range runs {
			m.Samples += run.Samples
			subjects = append(subjects, run.SubjectTimes)
			if run.Floor != "" {
				floors = append(floors, run.FloorTimes)
				ratios = append(ratios, divide(run.SubjectTimes, run.FloorTimes))
			}
		}
		m.SubjectTimes, m.FloorTimes, m.Ratios = medians(subjects), medians(floors), medians(ratios)
		merged = append(merged, m)
	}
	return merged
}

// Figures merges the runs of each figure in the same way.
func Figures(entries []Entry) []Figure {
	var merged []Figure
	for _, runs := range grouped(entries, func(e Entry) (*Figure, string) {
		if e.Figure == nil {
			return nil, ""
		}
		return e.Figure, e.Figure.What
	}) {
		f := *runs[len(runs)-1]
		var values []float64
		for _, run := range runs {
			values = append(values, run.Value)
		}
		f.Value = Median(values)
		merged = append(merged, f)
	}
	return merged
}

// grouped sorts entries of one kind by name, and keeps the order of both.
func grouped[T any](entries []Entry, of func(Entry) (*T, string)) [][]*T {
	var groups [][]*T
	index := map[string]int{}
	for _, e := range entries {
		v, name := of(e)
		if v == nil {
			continue
		}
		i, ok := index[name]
		if !ok {
			i = len(groups)
			index[name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}

// At returns the value at a quantile of a curve, or at the next one below.
func At(curve []Point, q float64) (value float64, ok bool) {
	for _, p := range curve {
		if p[0] > q+1e-9 {
			break
		}
		value, ok = p[1], true
	}
	return value, ok
}

// Median of numbers, of which there must be one.
func Median(values []float64) float64 {
	return Pick(slices.Sorted(slices.Values(values)), .5)
}

func divide(a, b []Point) []Point {
	points := make([]Point, 0, len(a))
	for i := range min(len(a), len(b)) {
		points = append(points, Point{a[i][0], a[i][1] / b[i][1]})
	}
	return points
}

// medians takes curves point by point.
func medians(curves [][]Point) []Point {
	if len(curves) == 0 {
		return nil
	}
	points := slices.Clone(curves[0])
	for i := range points {
		var values []float64
		for _, c := range curves {
			if i < len(c) {
				values = append(values, c[i][1])
			}
		}
		points[i][1] = Median(values)
	}
	return points
}
