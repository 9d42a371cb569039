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

// releaseSteps are those of `make release`, which leaves a release in dist/.
func releaseSteps() []step {
	return []step{
		{name: "nothing uncommitted", gate: true, run: saysNothing("a release is made from a commit; commit or remove first", "git", "status", "--porcelain")},
		{name: "binaries, contents, checksums", gate: true, run: func(ctx context.Context, _ io.Writer) error {
			if err := os.RemoveAll("dist"); err != nil {
				return fmt.Errorf("remove the former release: %w", err)
			}
			return release.Make(ctx, ".", "dist")
		}},
		{name: "signature", run: sign},
	}
}

// sign signs the checksums, if there is a key for it, and says so if not.
func sign(ctx context.Context, out io.Writer) error {
	key := os.Getenv("SIGNING_KEY")
	if key == "" {
		printf(out, "NOT SIGNED: SIGNING_KEY names no SSH key; sign dist/%s as docs/release.md says\n", release.SumsFile)
		return nil
	}
	return release.Sign(ctx, "dist", key)
}

// releaseCheck makes the whole release twice, from copies in different directories,
// the second time without anything that was compiled before.
func releaseCheck(ctx context.Context, out io.Writer) error {
	temp, err := os.MkdirTemp("", "sealproof-release-")
	if err != nil {
		return fmt.Errorf("make a directory for the releases: %w", err)
	}
	defer os.RemoveAll(temp)
	var sums []string
	source := "."
	for n, place := range []string{"here", "some/where/else"} {
		copied := filepath.Join(temp, place)
		if err := release.Snapshot(ctx, source, copied, "v0.0.0"); err != nil {
			return err
		}
		source = copied // the repository's own files may be edited meanwhile
		var env []string
		if n > 0 {
			env = []string{"GOCACHE=" + filepath.Join(temp, "cache")}
		}
		dist := copied + "-dist"
		if err := release.Make(ctx, copied, dist, env...); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dist, release.SumsFile)) //nolint:gosec // just made
		if err != nil {
			return err
		}
		printf(out, "in %s:\n%s", place, text)
		sums = append(sums, string(text))
	}
	if sums[0] == "" {
		return errors.New("the release has no checksums")
	}
	if sums[0] != sums[1] {
		return errors.New("the two releases differ in their checksums, listed above")
	}
	return nil
}
