package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// examples are drawings as the benchmarks make them, and some with longer texts.
func examples() map[string]Drawing {
	long := "Status, 64 callers: Vault answers after 5 s, p99.9 against an empty call, 64 callers, and some more words"
	bars := Drawing{Title: "How much of its limit each figure uses (left of the line: reached)",
		X: Axis{Ticks: []Tick{{0, "0"}, {.5, "50 %"}, {1, "100 %"}, {1.5, "150 %"}}}}
	for i, value := range []float64{0, .4, .99, 1, 1.2, 1.5, 7} {
		bars.Bars = append(bars.Bars, Bar{Name: long[:40+10*i], Value: value, Label: fmt.Sprintf("%.1f MiB (≤ 40 MiB)", value)})
	}
	quantiles := Drawing{Title: "Time of a call, by the share of calls that are faster", Y: Axis{Label: "milliseconds", Log: true},
		X: Axis{Ticks: []Tick{{.004, "1 %"}, {.3, "50 %"}, {1, "90 %"}, {2, "99 %"}, {3, "99.9 %"}}}}
	for i := range 6 {
		l := Line{Name: long[:15*(i+1)], Dashed: i > 2}
		for q := .004; q <= 3; q += .1 {
			l.Points = append(l.Points, [2]float64{q, .08 * math.Exp(q*float64(i))})
		}
		quantiles.Lines = append(quantiles.Lines, l)
	}
	memory := Drawing{Title: "resident memory", X: Axis{Label: "seconds"}, Y: Axis{Label: "MiB", Zero: true},
		Lines: []Line{{Name: "resident memory", Points: [][2]float64{{0, 20}, {300, 30.3}, {600.5, 29}}}}}
	return map[string]Drawing{"bars": bars, "lines on a logarithmic axis": quantiles, "one line": memory}
}

// Text that a reader's font makes wider must still be readable: inside the
// picture, and neither under another text nor under a bar or a curve.
func TestNothingOverlapsWhateverTheFont(t *testing.T) {
	fonts := map[string][]byte{"a proportional font": goregular.TTF, "a wide font": gomono.TTF}
	for drawingName, d := range examples() {
		for fontName, ttf := range fonts {
			t.Run(drawingName+" in "+fontName, func(t *testing.T) {
				svg, err := d.SVG()
				if err != nil {
					t.Fatal(err)
				}
				p := measure(t, svg, ttf)
				if len(p.texts) < 5 || len(p.marks) == 0 {
					t.Fatalf("%d texts and %d marks were found", len(p.texts), len(p.marks))
				}
				for i, a := range p.texts {
					if !a.inside(box{0, 0, p.width, p.height}) {
						t.Errorf("%v is cut off by the edge of %gx%g", a, p.width, p.height)
					}
					for _, b := range p.texts[i+1:] {
						if a.meets(b.box) {
							t.Errorf("%v and %v overlap", a, b)
						}
					}
					for _, m := range p.marks {
						if a.meets(m) {
							t.Errorf("%v lies under what is drawn at %v", a, m)
							break
						}
					}
				}
			})
		}
	}
}

func TestTheReadersFontAndPageAreUsed(t *testing.T) {
	for name, d := range examples() {
		svg, err := d.SVG()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"font-family: sans-serif;", "prefers-color-scheme: dark", "<title>" + d.Title} {
			if !strings.Contains(string(svg), want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if n := strings.Count(string(svg), "font-family"); n != 1 {
			t.Errorf("%s: fonts are named %d times, not once", name, n)
		}
	}
}

func TestValuesStandWhereTheirAxisSays(t *testing.T) {
	d := Drawing{Title: "t", Y: Axis{Log: true}, Lines: []Line{{Points: [][2]float64{{0, 1}, {1, 10}, {2, 100}}}}}
	svg, err := d.SVG()
	if err != nil {
		t.Fatal(err)
	}
	at := curves(t, svg, "line0")[0]
	if d1, d2 := at[0][1]-at[1][1], at[1][1]-at[2][1]; math.Abs(d1-d2) > .2 || d1 <= 0 {
		t.Errorf("on a logarithmic axis 1, 10 and 100 stand %v and %v apart", d1, d2)
	}
	if d1, d2 := at[1][0]-at[0][0], at[2][0]-at[1][0]; math.Abs(d1-d2) > .2 || d1 <= 0 {
		t.Errorf("0, 1 and 2 stand %v and %v apart", d1, d2)
	}
}

func TestAnAxisHasSeveralTicks(t *testing.T) {
	d := Drawing{Title: "t", Y: Axis{Log: true}, Lines: []Line{{Points: [][2]float64{{0, 43}, {1, 95}}}}}
	svg, err := d.SVG()
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{">50<", ">60<", ">90<"} {
		if !strings.Contains(string(svg), label) {
			t.Errorf("from 43 to 95 there is no tick %s", label)
		}
	}
}

func TestNoTwoCurvesLookAlike(t *testing.T) {
	for dashed, most := range map[bool]int{false: solidStyles, true: dashedStyles} {
		var d Drawing
		for n := range most {
			d.Lines = append(d.Lines, Line{Name: fmt.Sprint(n), Dashed: dashed, Points: [][2]float64{{0, 1}, {1, 2}}})
		}
		svg, err := d.SVG()
		if err != nil {
			t.Fatal(err)
		}
		class := map[bool]string{false: "line%d", true: "dash%d"}[dashed]
		for n := range most {
			if name := fmt.Sprintf(class, n); !strings.Contains(string(svg), "."+name+" {") || !strings.Contains(string(svg), name+`"`) {
				t.Errorf("%s is not defined or not used", name)
			}
		}
		d.Lines = append(d.Lines, Line{Name: "more", Dashed: dashed, Points: [][2]float64{{0, 1}, {1, 2}}})
		if _, err := d.SVG(); err == nil {
			t.Errorf("%d curves are drawn", most+1)
		}
	}
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	for name, d := range map[string]Drawing{
		"nothing":                     {},
		"no points":                   {Lines: []Line{{Name: "a"}}},
		"no number":                   {Lines: []Line{{Points: [][2]float64{{0, math.NaN()}}}}},
		"zero on a logarithmic axis":  {Y: Axis{Log: true}, Lines: []Line{{Points: [][2]float64{{0, 0}, {1, 1}}}}},
		"bars without ticks":          {Bars: []Bar{{Name: "a", Value: 1}}},
		"both lines and bars at once": {X: Axis{Ticks: []Tick{{1, "1"}}}, Bars: []Bar{{}}, Lines: []Line{{Points: [][2]float64{{0, 1}}}}},
	} {
		if svg, err := d.SVG(); err == nil {
			t.Errorf("%s: no error but %d bytes", name, len(svg))
		}
	}
}

func TestMarkupInTextsIsEscaped(t *testing.T) {
	svg, err := Drawing{Title: "a < b & c", X: Axis{Ticks: []Tick{{1, "1"}}}, Bars: []Bar{{Name: "</text><script>", Value: .5}}}.SVG()
	if err != nil {
		t.Fatal(err)
	}
	if p := measure(t, svg, goregular.TTF); p.texts[0].text != "a < b & c" || p.texts[1].text != "</text><script>" {
		t.Errorf("the texts are %q", p.texts)
	}
}

type box struct{ left, top, right, bottom float64 }

func (b box) meets(o box) bool {
	return b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom
}

func (b box) inside(o box) bool {
	return b.left >= o.left && b.right <= o.right && b.top >= o.top && b.bottom <= o.bottom
}

type placedText struct {
	box
	text string
}

func (p placedText) String() string { return fmt.Sprintf("%q at %v", p.text, p.box) }

// measured is where everything stands once a font is chosen. Marks are bars, and
// short pieces of curves.
type measured struct {
	width, height float64
	texts         []placedText
	marks         []box
}

// measure reads an SVG and gives each text the width that it has in a font.
func measure(t *testing.T, svg, ttf []byte) measured {
	t.Helper()
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		t.Fatal(err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: fontSize, DPI: 72})
	if err != nil {
		t.Fatal(err)
	}
	defer face.Close()
	metrics := face.Metrics()
	var p measured
	walk(t, svg, func(name string, attr map[string]string, text string) {
		number := func(key string) float64 {
			v, err := strconv.ParseFloat(attr[key], 64)
			if err != nil {
				t.Fatalf("%s of %s: %v", key, name, err)
			}
			return v
		}
		switch {
		case name == "svg":
			p.width, p.height = number("width"), number("height")
		case name == "text" && text != "":
			width := float64(font.MeasureString(face, text)) / 64
			x, y := number("x"), number("y")
			switch anchor(attr["text-anchor"]) {
			case middle:
				x -= width / 2
			case end:
				x -= width
			}
			p.texts = append(p.texts, placedText{text: text, box: box{x, y - float64(metrics.CapHeight)/64, x + width, y + float64(metrics.Descent)/64}})
		case name == "rect" && attr["class"] != "ground":
			x, y := number("x"), number("y")
			p.marks = append(p.marks, box{x, y, x + number("width"), y + number("height")})
		case name == "polyline":
			at := points(t, attr["points"])
			for i := 1; i < len(at); i++ {
				p.marks = append(p.marks, pieces(at[i-1], at[i])...)
			}
		}
	})
	return p
}

// pieces are the boxes around a hundredth of a straight line each.
func pieces(a, b [2]float64) []box {
	const n = 100
	var all []box
	at := func(i int) [2]float64 {
		f := float64(i) / n
		return [2]float64{a[0] + (b[0]-a[0])*f, a[1] + (b[1]-a[1])*f}
	}
	for i := range n {
		p, q := at(i), at(i+1)
		all = append(all, box{min(p[0], q[0]) - 1, min(p[1], q[1]) - 1, max(p[0], q[0]) + 1, max(p[1], q[1]) + 1})
	}
	return all
}

func curves(t *testing.T, svg []byte, class string) (found [][][2]float64) {
	t.Helper()
	walk(t, svg, func(name string, attr map[string]string, _ string) {
		if name == "polyline" && attr["class"] == class {
			found = append(found, points(t, attr["points"]))
		}
	})
	return found
}

func points(t *testing.T, list string) (all [][2]float64) {
	t.Helper()
	for pair := range strings.FieldsSeq(list) {
		var at [2]float64
		if _, err := fmt.Sscanf(pair, "%f,%f", &at[0], &at[1]); err != nil {
			t.Fatalf("points %q: %v", list, err)
		}
		all = append(all, at)
	}
	return all
}

// walk calls visit for each element, with the text inside it.
func walk(t *testing.T, svg []byte, visit func(name string, attr map[string]string, text string)) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the drawing is no XML: %v", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range element.Attr {
			attr[a.Name.Local] = a.Value
		}
		text := ""
		if element.Name.Local == "text" {
			if err := decoder.DecodeElement(&text, &element); err != nil {
				t.Fatalf("the drawing is no XML: %v", err)
			}
		}
		visit(element.Name.Local, attr, text)
	}
}
