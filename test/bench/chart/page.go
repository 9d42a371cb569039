package chart

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// anchor is which end of a text stands at its place.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// page collects the elements of one drawing.
type page struct {
	width, height float64
	body          strings.Builder
}

// text places one line of text; y is that of its middle.
func (p *page) text(x, y float64, at anchor, text string) {
	fmt.Fprintf(&p.body, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y+fontSize*.35, at, escape(text))
}

// rect draws a filled rectangle.
func (p *page) rect(x, y, width, height float64, class string) {
	fmt.Fprintf(&p.body, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y, width, height, class)
}

// curve draws a line through points.
func (p *page) curve(points [][2]float64, class string) {
	var list strings.Builder
	for i, at := range points {
		if i > 0 {
			list.WriteByte(' ')
		}
		fmt.Fprintf(&list, "%.1f,%.1f", at[0], at[1])
	}
	fmt.Fprintf(&p.body, "<polyline points=\"%s\" class=\"%s\"/>\n", list.String(), class)
}

// How many curves styles tells apart.
const (
	solidStyles  = 6
	dashedStyles = 4
)

// styles are the colours of Okabe and Ito, which the colour-blind tell apart, a
// little lighter on a dark page.
const styles = `
text { font-family: sans-serif; font-size: 14px; fill: #1f2328; }
polyline { fill: none; stroke-width: 2; }
.ground { fill: #ffffff; } .grid { stroke: #d0d7de; stroke-width: 1; } .limit { stroke: #1f2328; stroke-width: 1.5; }
.good { fill: #0072b2; } .bad { fill: #d55e00; }
.line0 { stroke: #0072b2; } .line1 { stroke: #d55e00; } .line2 { stroke: #009e73; }
.line3 { stroke: #cc79a7; } .line4 { stroke: #b07d00; } .line5 { stroke: #3a97d0; }
.dashed { stroke: #6e7781; } .dash0 { stroke-dasharray: 10 4; } .dash1 { stroke-dasharray: 5 4; } .dash2 { stroke-dasharray: 2 4; } .dash3 { stroke-dasharray: 12 3 2 3; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ground { fill: #0d1117; } .grid { stroke: #30363d; } .limit { stroke: #e6edf3; }
.good { fill: #4ea6e0; } .bad { fill: #f0883e; }
.line0 { stroke: #4ea6e0; } .line1 { stroke: #f0883e; } .line2 { stroke: #2fc79a; } .line4 { stroke: #e6b84a; } .line5 { stroke: #8ccbf2; }
.dashed { stroke: #9aa4ae; }
}
`

// svg returns the whole file. The title is also what a screen reader says.
func (p *page) svg(title string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]g %[2]g" width="%[1]g" height="%[2]g" role="img">
<title>%[3]s</title>
<style>%[4]s</style>
<rect width="%[1]g" height="%[2]g" class="ground"/>
%[5]s</svg>
`, p.width, p.height, escape(title), styles, p.body.String())
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder never fails
	return b.String()
}
