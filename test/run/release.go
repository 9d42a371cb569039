package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sealproof/sealproof/test/release"
)

// distDir is where `make release` leaves a release. It is not in git.
const distDir = "dist"

// releaseSteps are those of `make release`.
func releaseSteps() []step {
	return []step{
		{name: "nothing uncommitted", gate: true, run: checkCommitted},
		{name: "binaries, contents, checksums", gate: true, run: func(ctx context.Context, _ io.Writer) error {
			if err := os.RemoveAll(distDir); err != nil {
				return fmt.Errorf("remove the former release: %w", err)
			}
			return release.Make(ctx, ".", distDir)
		}},
		{name: "signature", run: sign},
	}
}

// checkCommitted refuses sources that no commit has.
func checkCommitted(ctx context.Context, _ io.Writer) error {
	changes, err := command{args: []string{"git", "status", "--porcelain"}}.quiet(ctx)
	if err != nil {
		return err
	}
	if changes != "" {
		return fmt.Errorf("a release is made from a commit; commit or remove first:\n%s", changes)
	}
	return nil
}

// sign signs the checksums, if there is a key for it, and says so if not.
func sign(ctx context.Context, out io.Writer) error {
	key := os.Getenv("SIGNING_KEY")
	if key == "" {
		printf(out, "NOT SIGNED: SIGNING_KEY names no SSH key; sign %s as docs/release.md says\n", filepath.Join(distDir, release.SumsFile))
		return nil
	}
	return release.Sign(ctx, distDir, key)
}

// releaseCheckSteps are those of `make release-check`: the whole release, made
// twice from copies in different directories, the second time without anything
// that was compiled before.
func releaseCheckSteps() []step {
	var temp string
	var sums []string
	// The environment is made late: temp is not known before.
	makeIn := func(place string, env func() []string) func(context.Context, io.Writer) error {
		return func(ctx context.Context, out io.Writer) error {
			dist := filepath.Join(temp, place+"-dist")
			if err := release.Make(ctx, filepath.Join(temp, place), dist, env()...); err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dist, release.SumsFile)) //nolint:gosec // just made
			sums = append(sums, string(text))
			printf(out, "%s", text)
			return err
		}
	}
	const here, there = "here", "some/where/else"
	return []step{
		{name: "two copies", gate: true, run: func(ctx context.Context, _ io.Writer) (err error) {
			if temp, err = os.MkdirTemp("", "sealproof-release-"); err != nil {
				return fmt.Errorf("make a place for the releases: %w", err)
			}
			if err := release.Snapshot(ctx, ".", filepath.Join(temp, here), "v0.0.0"); err != nil {
				return err
			}
			// Of the first copy: the sources may be edited meanwhile.
			return release.Snapshot(ctx, filepath.Join(temp, here), filepath.Join(temp, there), "v0.0.0")
		}},
		{name: "release", run: makeIn(here, func() []string { return nil })},
		{name: "the same from nothing, elsewhere", run: makeIn(there, func() []string { return []string{"GOCACHE=" + filepath.Join(temp, "cache")} })},
		{name: "the two are the same", run: func(context.Context, io.Writer) error {
			return errors.Join(compareSums(sums), os.RemoveAll(temp))
		}},
	}
}

// compareSums names the files that two releases have not in common.
func compareSums(sums []string) error {
	if len(sums) != 2 || sums[0] == "" {
		return fmt.Errorf("%d releases were made", len(sums))
	}
	var differ []string
	for line := range strings.Lines(sums[0] + sums[1]) {
		if !strings.Contains(sums[0], line) || !strings.Contains(sums[1], line) {
			differ = append(differ, line)
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("they differ in\n%s", strings.Join(differ, ""))
	}
	return nil
}
