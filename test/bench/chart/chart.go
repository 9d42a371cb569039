// Package chart draws lines and bars as SVG.
//
// A reader's browser chooses the font, and two fonts of one size differ in width
// by a third. So no text is placed by its width: each one is anchored at the end
// that matters, and has as much room as a wide font needs. The colours follow the
// reader's choice of a light or a dark page.
//
// It must never know what the numbers mean.
package chart

import (
	"errors"
	"fmt"
)

// Drawing is either lines or bars.
type Drawing struct {
	Name  string // of the file, without its extension
	Title string
	X, Y  Axis // bars have X only, which ends at its last tick
	Lines []Line
	Bars  []Bar
}

// Axis is one axis of a drawing with lines.
type Axis struct {
	Label string
	Log   bool
	Zero  bool   // begins at 0
	Ticks []Tick // empty: round numbers
}

// Tick is one mark of an axis.
type Tick struct {
	At    float64
	Label string
}

// Line is a curve through points, from left to right.
type Line struct {
	Name   string
	Dashed bool
	Points [][2]float64
}

// Bar is drawn up to Value; a line stands at 1.
type Bar struct {
	Name  string
	Value float64
	Label string
}

// SVG returns the drawing as the text of an SVG file.
func (d Drawing) SVG() ([]byte, error) {
	var p page
	var err error
	switch {
	case len(d.Bars) > 0 && len(d.Lines) == 0 && len(d.X.Ticks) > 0:
		p = d.bars()
	case len(d.Lines) > 0 && len(d.Bars) == 0:
		p, err = d.lines()
	default:
		err = errors.New("neither lines nor bars with ticks on their axis")
	}
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", d.Name, err)
	}
	return p.svg(d.Title), nil
}

const (
	fontSize = 14
	// widest is the room of one character, in units of the font size. The widest
	// fonts that browsers use for text need 0.6 on average (DejaVu Sans, Verdana).
	widest     = 0.66
	lineHeight = 20
	margin     = 16
	least      = 860 // the least width of a drawing
)

// room returns the width that a text may need in the widest font.
func room(text string) float64 { return widest * fontSize * float64(len([]rune(text))) }
