package chart

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

const plotHeight = 320

// lines draws curves, and below them what each one is: inside they would cover it.
func (d Drawing) lines() (page, error) {
	x, err := d.X.scale(d.Lines, 0)
	if err != nil {
		return page{}, fmt.Errorf("x axis: %w", err)
	}
	y, err := d.Y.scale(d.Lines, 1)
	if err != nil {
		return page{}, fmt.Errorf("y axis: %w", err)
	}
	left := margin + room("0.05") + 8
	for _, t := range y.ticks {
		left = max(left, margin+room(t.Label)+8)
	}
	p := page{width: max(least, room(d.Title)+2*margin)}
	for _, l := range d.Lines {
		p.width = max(p.width, room(l.Name)+60+2*margin)
	}
	p.width = math.Ceil(p.width)
	right := p.width - margin - 40 // half of the last tick's label
	top := float64(margin + 3*lineHeight)
	bottom := top + plotHeight
	x.from, x.to = left, right
	y.from, y.to = bottom, top

	p.text(p.width/2, margin+lineHeight/2, middle, d.Title)
	p.text(margin, top-lineHeight, start, d.Y.Label)
	for _, t := range y.ticks {
		p.curve([][2]float64{{left, y.place(t.At)}, {right, y.place(t.At)}}, "grid")
		p.text(left-8, y.place(t.At), end, t.Label)
	}
	for _, t := range x.ticks {
		p.curve([][2]float64{{x.place(t.At), top}, {x.place(t.At), bottom}}, "grid")
		p.text(x.place(t.At), bottom+lineHeight/2+2, middle, t.Label)
	}
	below := bottom + lineHeight + 4
	if d.X.Label != "" {
		p.text((left+right)/2, below+lineHeight/2, middle, d.X.Label)
		below += lineHeight
	}
	used := map[bool]int{} // how many curves there are so far, dashed ones and others
	for _, l := range d.Lines {
		class, styles := fmt.Sprintf("line%d", used[false]), solidStyles
		if l.Dashed {
			class, styles = fmt.Sprintf("dashed dash%d", used[true]), dashedStyles
		}
		if used[l.Dashed]++; used[l.Dashed] > styles {
			return page{}, fmt.Errorf("curve %q would look like another one: %d differ", l.Name, styles)
		}
		placed := make([][2]float64, len(l.Points))
		for j, at := range l.Points {
			placed[j] = [2]float64{x.place(at[0]), y.place(at[1])}
		}
		p.curve(placed, class)
		if len(d.Lines) > 1 { // else the title says it
			middle := below + lineHeight/2
			p.curve([][2]float64{{left, middle}, {left + 40, middle}}, class)
			p.text(left+50, middle, start, l.Name)
			below += lineHeight
		}
	}
	p.height = below + margin
	return p, nil
}

// scale leads from a value to a place on the page.
type scale struct {
	low, high float64 // values, or their logarithms
	log       bool
	ticks     []Tick
	from, to  float64 // places
}

func (s scale) place(value float64) float64 {
	if s.log {
		value = math.Log10(value)
	}
	return s.from + (s.to-s.from)*(value-s.low)/(s.high-s.low)
}

// scale fits an axis to one coordinate of all points.
func (a Axis) scale(lines []Line, coordinate int) (scale, error) {
	s := scale{low: math.Inf(1), high: math.Inf(-1), log: a.Log}
	for _, l := range lines {
		for _, p := range l.Points {
			s.low, s.high = min(s.low, p[coordinate]), max(s.high, p[coordinate])
		}
	}
	if math.IsInf(s.low, 0) || math.IsInf(s.high, 0) || math.IsNaN(s.low+s.high) {
		return scale{}, errors.New("no points, or one that is no number")
	}
	if a.Log && s.low <= 0 {
		return scale{}, fmt.Errorf("%g has no logarithm", s.low)
	}
	for _, t := range a.Ticks {
		s.low, s.high = min(s.low, t.At), max(s.high, t.At)
	}
	if a.Zero {
		s.low = min(s.low, 0)
	}
	if s.high == s.low {
		s.high = s.low + max(math.Abs(s.low), 1)
	}
	s.ticks = a.Ticks
	if len(s.ticks) == 0 {
		s.ticks = round(s.low, s.high, a.Log)
	}
	if len(a.Ticks) == 0 && len(s.ticks) < 3 {
		s.ticks = round(s.low, s.high, false) // too short a part of a logarithmic axis
	}
	if a.Log {
		s.low, s.high = math.Log10(s.low), math.Log10(s.high)
	}
	return s, nil
}

// round returns 1, 2 and 5 times powers of ten from low to high: all of them on a
// logarithmic axis, equal steps otherwise.
func round(low, high float64, log bool) []Tick {
	var ticks []Tick
	add := func(at float64) {
		if at >= low-(high-low)*1e-9 && at <= high*(1+1e-9) {
			ticks = append(ticks, Tick{At: at, Label: strconv.FormatFloat(at, 'g', 12, 64)})
		}
	}
	if log {
		for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
			for _, digit := range []float64{1, 2, 5} {
				add(digit * math.Pow(10, power))
			}
		}
		return ticks
	}
	step := math.Pow(10, math.Floor(math.Log10(high-low)))
	for _, share := range []float64{.1, .2, .5} {
		if (high-low)/(step*share) <= 8 {
			step *= share
			break
		}
	}
	for n := math.Ceil(low / step); n*step <= high; n++ {
		add(n * step)
	}
	return ticks
}
