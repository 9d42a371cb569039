// Command plot draws what it is told on standard input, a JSON list of drawings,
// as files in a directory: SVG, or PNG to look at.
//
// It is a module of its own, so that nothing else depends on a plotting library,
// and must never know what the numbers mean.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawing is either lines or bars. The same type, with the same comments, is
// what test/bench/document writes.
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
	Name   string       `json:"name"`
	Dashed bool         `json:"dashed"`
	Points [][2]float64 `json:"points"`
}

// bar is drawn up to Value; a line stands at 1.
type bar struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Label string  `json:"label"`
}

func main() {
	dir := flag.String("dir", ".", "directory of the files")
	format := flag.String("format", "svg", "svg or png")
	flag.Parse()
	if err := run(*dir, *format); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(dir, format string) error {
	var drawings []drawing
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&drawings); err != nil {
		return fmt.Errorf("read drawings: %w", err)
	}
	for _, d := range drawings {
		p, height, err := d.plot()
		if err != nil {
			return fmt.Errorf("draw %s: %w", d.Name, err)
		}
		if err := p.Save(22*vg.Centimeter, height, filepath.Join(dir, d.Name+"."+format)); err != nil {
			return fmt.Errorf("draw %s: %w", d.Name, err)
		}
	}
	return nil
}

func (d drawing) plot() (*plot.Plot, font.Length, error) {
	p := plot.New()
	p.BackgroundColor = color.White // an SVG without one is black on black in a dark browser
	p.Title.Text = d.Title
	p.Title.Padding = vg.Points(8)
	d.X.apply(&p.X)
	d.Y.apply(&p.Y)
	if len(d.Bars) > 0 {
		height := vg.Centimeter * font.Length(2.5+0.62*float64(len(d.Bars)))
		return p, height, addBars(p, d.Bars, d.BarMax)
	}
	p.Add(plotter.NewGrid())
	if err := addLines(p, d.Lines); err != nil {
		return nil, 0, err
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	if len(d.Lines) == 1 {
		p.Legend = plot.NewLegend() // the title says it
	}
	return p, 12 * vg.Centimeter, nil
}

func (a axis) apply(to *plot.Axis) {
	to.Label.Text = a.Label
	to.Padding = 0
	if a.Log {
		to.Scale, to.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if a.Zero {
		to.Min = 0
	}
	if len(a.Ticks) > 0 {
		var ticks plot.ConstantTicks
		for _, t := range a.Ticks {
			ticks = append(ticks, plot.Tick{Value: t.At, Label: t.Label})
		}
		to.Tick.Marker = ticks
	}
}

// palette are the colours of Okabe and Ito, which the colour-blind tell apart.
func palette(i int) color.Color {
	colours := []color.RGBA{
		{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff},
		{0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff},
	}
	return colours[i%len(colours)]
}

func addLines(p *plot.Plot, lines []line) error {
	dashed := 0
	for i, l := range lines {
		var points plotter.XYs
		for _, at := range l.Points {
			points = append(points, plotter.XY{X: at[0], Y: at[1]})
		}
		drawn, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		drawn.Width = vg.Points(1.5)
		drawn.Color = palette(i)
		if l.Dashed {
			drawn.Color = color.Gray{0x70}
			// Each of another rhythm: the first longest.
			drawn.Dashes = []vg.Length{vg.Points(8 / float64(1+dashed)), vg.Points(3)}
			dashed++
		}
		p.Add(drawn)
		p.Legend.Add(l.Name, drawn)
	}
	return nil
}

func addBars(p *plot.Plot, bars []bar, most float64) error {
	// The first on top.
	good, bad := make(plotter.Values, len(bars)), make(plotter.Values, len(bars))
	names := make([]string, len(bars))
	labels := plotter.XYLabels{XYs: make(plotter.XYs, len(bars)), Labels: make([]string, len(bars))}
	for i, b := range bars {
		at := len(bars) - 1 - i
		names[at] = b.Name
		if b.Value > 1 {
			bad[at] = min(b.Value, most)
		} else {
			good[at] = b.Value
		}
		labels.XYs[at] = plotter.XY{X: most * 1.04, Y: float64(at)} // a column of their own
		labels.Labels[at] = b.Label
	}
	for i, values := range []plotter.Values{good, bad} {
		chart, err := plotter.NewBarChart(values, vg.Points(10))
		if err != nil {
			return err
		}
		chart.Horizontal = true
		chart.LineStyle.Width = 0
		chart.Color = palette(i)
		p.Add(chart)
	}
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range text.TextStyle {
		text.TextStyle[i].YAlign = draw.YCenter
		text.TextStyle[i].Font.Size = vg.Points(9)
	}
	limit, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -.5}, {X: 1, Y: float64(len(bars)) - .5}})
	if err != nil {
		return err
	}
	limit.Width = vg.Points(1)
	p.Add(text, limit)
	p.NominalY(names...)
	p.X.Min, p.X.Max = 0, most*1.45
	return nil
}
