// Command document writes what the benchmarks recorded into docs/performance.md,
// between its markers, and the plots beside it, so that no figure is typed by
// hand.
//
//	go run ./test/bench/document -record bench/COMMIT.jsonl
//
// It must never measure anything.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sealproof/sealproof/test/bench/chart"
	"github.com/sealproof/sealproof/test/bench/record"
)

func main() {
	file := flag.String("record", "", "what the benchmarks recorded (required)")
	page := flag.String("page", "docs/performance.md", "page to write into")
	plots := flag.String("plots", "docs/performance", "directory of the plots")
	flag.Parse()
	if err := run(*file, *page, *plots); err != nil {
		fmt.Fprintln(os.Stderr, "document:", err)
		os.Exit(1)
	}
}

func run(file, page, plots string) error {
	entries, err := record.Read(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page) //nolint:gosec // the path is the caller's choice
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	for name, part := range tables(entries) {
		if text, err = insert(text, name, part); err != nil {
			return fmt.Errorf("write into %s: %w", page, err)
		}
	}
	if err := draw(drawings(entries), plots); err != nil {
		return err
	}
	if err := os.WriteFile(page, text, 0o644); err != nil { //nolint:gosec // a page that all users may read
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// draw writes each drawing into a file of its own.
func draw(drawings []chart.Drawing, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // all users may look
		return fmt.Errorf("create the directory of the plots: %w", err)
	}
	for _, d := range drawings {
		svg, err := d.SVG()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, d.Name+".svg"), svg, 0o644); err != nil { //nolint:gosec // likewise
			return fmt.Errorf("write a plot: %w", err)
		}
	}
	return nil
}
