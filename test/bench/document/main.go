// Command document writes what the benchmarks recorded into docs/performance.md,
// between its markers, and the plots beside it, so that no figure is typed by
// hand.
//
//	go run ./test/bench/document -record bench/COMMIT.jsonl
//
// It must never measure anything.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sealproof/sealproof/test/bench/record"
)

func main() {
	file := flag.String("record", "", "what the benchmarks recorded (required)")
	page := flag.String("page", "docs/performance.md", "page to write into")
	plots := flag.String("plots", "docs/performance", "directory of the plots")
	format := flag.String("format", "svg", "svg, or png to look at")
	flag.Parse()
	if err := run(context.Background(), *file, *page, *plots, *format); err != nil {
		fmt.Fprintln(os.Stderr, "document:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file, page, plots, format string) error {
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
	if err := draw(ctx, drawings(entries), plots, format); err != nil {
		return err
	}
	if err := os.WriteFile(page, text, 0o644); err != nil { //nolint:gosec // a page that everybody may read
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// draw has the plotting module, which is one of its own, draw.
func draw(ctx context.Context, drawings []drawing, dir, format string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may look
		return fmt.Errorf("draw: %w", err)
	}
	text, err := json.Marshal(drawings)
	if err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", "-C", "test/bench/plot", ".", "-dir", dir, "-format", format) //nolint:gosec // as the caller wants it
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}
