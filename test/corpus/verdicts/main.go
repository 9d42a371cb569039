// Command verdicts prints what our rules and a plain flag check say of every case of the
// corpus, beside the label, and the mistakes of both by rule:
//
//	go run ./test/corpus/verdicts
//
// It ends with 1 if ours is not right everywhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	corpus "github.com/sealproof/sealproof/test/corpus/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "verdicts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cases, err := corpus.Cases()
	if err != nil {
		return err
	}
	binaries, err := components.Build(ctx, os.Stderr, corpus.Components()...)
	if err != nil {
		return err
	}
	c, err := cluster.New(cluster.Options{Binaries: binaries})
	if err != nil {
		return err
	}
	judged, err := corpus.Judge(ctx, c, cases)
	err = errors.Join(err, c.Close())
	lines, lineErr := corpus.Lines(judged)
	err = errors.Join(err, lineErr, corpus.WriteTable(os.Stdout, cases, lines))
	wrong := len(slices.DeleteFunc(slices.Clone(lines), corpus.Line.Right))
	fmt.Printf("\n%d cases, %d labels, %d not right\n", len(judged), len(lines), wrong)
	if wrong > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d labels are not right", wrong, len(lines)))
	}
	return err
}
