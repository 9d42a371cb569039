package chart

import "math"

const (
	barHeight = 10
	barStep   = lineHeight + barHeight + 10
)

// bars draws the name and the label of each bar above it, on the left and on the
// right, so that neither needs room beside the other's.
func (d Drawing) bars() page {
	p := page{width: max(least, room(d.Title)+2*margin)}
	for _, b := range d.Bars {
		p.width = max(p.width, room(b.Name)+room(b.Label)+3*margin)
	}
	p.width = math.Ceil(p.width)
	x := scale{high: d.X.Ticks[len(d.X.Ticks)-1].At, from: margin, to: p.width - margin - 40} // half of the last tick's label
	place := func(value float64) float64 { return x.place(min(max(value, 0), x.high)) }

	p.text(p.width/2, margin+lineHeight/2, middle, d.Title)
	top := float64(margin + 2*lineHeight)
	for i, b := range d.Bars {
		y := top + float64(i)*barStep
		p.text(margin, y+lineHeight/2, start, b.Name)
		p.text(p.width-margin, y+lineHeight/2, end, b.Label)
		class := "good"
		if b.Value > 1 {
			class = "bad"
		}
		p.rect(margin, y+lineHeight, place(b.Value)-margin, barHeight, class)
		// The limit stands beside the bars only: through the texts it would hide them.
		p.curve([][2]float64{{place(1), y + lineHeight}, {place(1), y + lineHeight + barHeight + 4}}, "limit")
	}
	bottom := top + float64(len(d.Bars))*barStep
	for _, t := range d.X.Ticks {
		p.text(place(t.At), bottom+lineHeight/2, middle, t.Label)
	}
	p.height = bottom + lineHeight + margin
	return p
}
