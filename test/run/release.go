package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	var sums [2]string
	makeIn := func(n int, place string) func(context.Context, io.Writer) error {
		return func(ctx context.Context, out io.Writer) error {
			var env []string
			if n > 0 {
				env = []string{"GOCACHE=" + filepath.Join(temp, "cache")}
			}
			dist := filepath.Join(temp, fmt.Sprintf("dist-%d", n))
			if err := release.Make(ctx, filepath.Join(temp, place), dist, env...); err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dist, release.SumsFile)) //nolint:gosec // just made
			sums[n] = string(text)
			printf(out, "%s", text)
			return err
		}
	}
	const here, there = "here", "some/where/else"
	return []step{
		{name: "two copies", gate: true, run: func(ctx context.Context, _ io.Writer) (err error) {
			if temp, err = os.MkdirTemp("", "sealproof-release-"); err != nil {
				return fmt.Errorf("make a directory for the releases: %w", err)
			}
			if err := release.Snapshot(ctx, ".", filepath.Join(temp, here), "v0.0.0"); err != nil {
				return err
			}
			// Of the first copy: the sources may be edited meanwhile.
			return release.Snapshot(ctx, filepath.Join(temp, here), filepath.Join(temp, there), "v0.0.0")
		}},
		{name: "release", run: makeIn(0, here)},
		{name: "the same from nothing, elsewhere", run: makeIn(1, there)},
		{name: "the two are the same", run: func(context.Context, io.Writer) error {
			return errors.Join(sameSums(sums[0], sums[1]), os.RemoveAll(temp))
		}},
	}
}

// sameSums fails unless two releases were made, of the same bytes.
func sameSums(first, second string) error {
	if first == "" || first != second {
		return fmt.Errorf("the two releases differ: the first is\n%sand the second\n%s", first, second)
	}
	return nil
}
