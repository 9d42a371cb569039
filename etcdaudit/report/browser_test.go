package report_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/report"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/browser"
)

// pageFile is a file with the page of a report.
func pageFile(t *testing.T, r *auditv1.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.HTML(&out, r); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The page's own policy must not keep its own style from being applied: only a browser shows
// that. A dark page for a reader who prefers light ones would show the same.
func TestABrowserShowsThePage(t *testing.T) {
	t.Parallel()
	file := pageFile(t, everything())
	light, dark := color.RGBA{0xfb, 0xfa, 0xf7, 0xff}, color.RGBA{0x15, 0x17, 0x1a, 0xff}
	for _, tt := range []struct {
		width int
		dark  bool
		paper color.RGBA
	}{{390, false, light}, {390, true, dark}, {1280, false, light}, {1280, true, dark}} {
		t.Run(fmt.Sprintf("%d wide, dark %v", tt.width, tt.dark), func(t *testing.T) {
			const height = 1600
			picture := browser.Picture(t, file, browser.View{Width: tt.width, Height: height, Dark: tt.dark})
			if got := picture.Bounds().Size(); got != image.Pt(tt.width, height) {
				t.Fatalf("%v in size", got)
			}
			// The margins are paper from top to bottom: nothing is wider than the window.
			for _, x := range []int{1, tt.width - 2} {
				for y := 300; y < height; y++ { // below the line under the navigation
					if got := color.RGBAModel.Convert(picture.At(x, y)); got != tt.paper {
						t.Fatalf("%v at (%d, %d), want %v", got, x, y, tt.paper)
					}
				}
			}
			colours := map[color.Color]int{}
			looked := 0
			for y := 0; y < height; y += 3 {
				for x := 0; x < tt.width; x += 3 {
					colours[picture.At(x, y)]++
					looked++
				}
			}
			if len(colours) < 50 || colours[tt.paper] > looked*99/100 {
				t.Errorf("%d colours, %d pixels of %d are paper: there is nothing to read", len(colours), colours[tt.paper], looked)
			}
		})
	}
}

func TestABrowserReadsThePage(t *testing.T) {
	t.Parallel()
	r := everything()
	const attack = `<script>document.title="run"</script><img src=x onerror=document.title="run">`
	r.Checks[0].Results[0].Objects[0].Name = attack
	dom := browser.Text(t, pageFile(t, r))
	for _, text := range []string{
		"node-1, etcd cluster cdf8", "secrets default/tls", "start etcd with <span class=\"nowrap\">--client-cert-auth</span>=true", "20 days left", "✕ expired", "system:masters", "V-242423", "&lt;script&gt;document.title",
	} {
		if !strings.Contains(dom, text) && !strings.Contains(dom, strings.ToUpper(text[:1])+text[1:]) {
			t.Errorf("the page has no %q", text)
		}
	}
	if strings.Contains(dom, "<script") || strings.Contains(dom, "<img") || !strings.Contains(dom, "<title>FAIL – etcd audit") {
		t.Error("a name was taken for a part of the page")
	}
}
