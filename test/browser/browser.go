// Package browser shows pages to a real browser, headless Chromium, as a reader's would.
// test/prerequisites installs it. It must never know what is in a page.
package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long one start of the browser may take on a busy machine.
const patience = 5 * time.Minute

// Text returns the document as the browser has built it, by --dump-dom.
func Text(tb testing.TB, page string) string {
	tb.Helper()
	return string(run(tb, page, "--dump-dom"))
}

// View is how a page is looked at: the size of the window in pixels, and whether the reader
// prefers dark pages.
type View struct {
	Width, Height int
	Dark          bool
}

// Picture returns what the window shows.
func Picture(tb testing.TB, page string, v View) image.Image {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "page.png")
	scheme := 1 // blink's kLight
	if v.Dark {
		scheme = 0
	}
	run(tb, page, "--screenshot="+file, fmt.Sprintf("--window-size=%d,%d", v.Width, v.Height), "--hide-scrollbars", fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme))
	text, err := os.ReadFile(file) //nolint:gosec // just written
	if err != nil {
		tb.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return picture
}

// Small encodes a picture as PNG with 256 colours, which takes a third of the bytes: the most
// frequent ones that are not nearly the same as one before. Shades of grey would fill the
// palette otherwise, and no other colour be left.
func Small(tb testing.TB, picture image.Image) []byte {
	tb.Helper()
	count := map[color.Color]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[picture.At(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range frequent {
		if len(palette) < 256 && (len(palette) == 0 || distance(c, palette.Convert(c)) > 12) {
			palette = append(palette, c)
		}
	}
	paletted := image.NewPaletted(bounds, palette)
	draw.Draw(paletted, bounds, picture, bounds.Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// distance is how far apart two colours are in the channel where they differ most, of 255.
func distance(a, b color.Color) int {
	one, other := color.RGBAModel.Convert(a).(color.RGBA), color.RGBAModel.Convert(b).(color.RGBA) //nolint:errcheck // what the model returns
	apart := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(apart(one.R, other.R), apart(one.G, other.G), apart(one.B, other.B))
}

// run starts the browser on a page of its own, with a profile of its own: one that is shared
// would hand the page to a browser that runs already.
func run(tb testing.TB, page string, args ...string) []byte {
	tb.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		tb.Fatalf("%v: test/prerequisites installs it", err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	// As root Chromium starts without its sandbox only; the pages are the test's own.
	common := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + tb.TempDir()}
	cmd := exec.CommandContext(ctx, program, append(append(common, args...), "file://"+page)...) //nolint:gosec // the test's own arguments
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		tb.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return out.Bytes()
}
