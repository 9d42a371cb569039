package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// builder builds components of one checkout into one cache.
type builder struct {
	root  string
	cache cache
	out   io.Writer
}

// step is one component with what was found out before anything is built.
type step struct {
	component
	version string // as in go.mod; empty for the product's own
	entry   string // cache entry; empty for the product's own, which is named by its content
	present bool   // nothing needs to be built
	cost    cost   // what it takes here
}

func (s step) title() string {
	return strings.TrimSpace(string(s.name) + " " + s.version)
}

func (s step) dir(root string) string { return filepath.Join(root, filepath.FromSlash(s.module)) }

// arguments returns those of `go build` that decide what is built.
func (s step) arguments() []string {
	args := append([]string{}, s.flags...)
	if s.ldflags != "" {
		args = append(args, "-ldflags="+strings.ReplaceAll(s.ldflags, "{version}", s.version))
	}
	return append(args, s.pkg)
}

func (b builder) build(ctx context.Context, selected []component) (Binaries, error) {
	if err := b.cache.open(); err != nil {
		return nil, err
	}
	steps := make([]step, 0, len(selected))
	for _, c := range selected {
		s, err := b.examine(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", c.name, c.module, err)
		}
		steps = append(steps, s)
	}
	if err := b.announce(ctx, steps); err != nil {
		return nil, err
	}

	show := newProgress(b.out, steps)
	binaries := make(Binaries, len(steps))
	for _, s := range steps {
		show.next(s)
		path, err := b.ensure(ctx, s, show)
		if err != nil {
			show.failed(s)
			return nil, fmt.Errorf("build %s (%s): %w", s.title(), s.module, err)
		}
		binaries[s.name] = Binary{Path: path, Version: s.version}
	}
	b.cache.prune(time.Now().Add(-unusedFor))
	return binaries, nil
}

// examine finds out what has to be done for a component.
func (b builder) examine(ctx context.Context, c component) (step, error) {
	s := step{component: c, cost: c.cost}
	if !c.nested() {
		if b.cache.holds(c.name) {
			s.cost = c.cost.again()
		}
		return s, nil
	}
	dir := s.dir(b.root)
	requirements, err := readRequirements(ctx, dir)
	if err != nil {
		return step{}, err
	}
	if c.version != "" {
		if s.version, err = requirements.version(c.version); err != nil {
			return step{}, err
		}
	}
	target, err := toolchain(ctx, dir, c.env)
	if err != nil {
		return step{}, err
	}
	recipe := append(s.arguments(), c.env...)
	if c.movable {
		recipe = append(recipe, nowMoved)
	}
	if s.entry, err = key(c.name, os.DirFS(dir), target, recipe); err != nil {
		return step{}, err
	}
	_, s.present = b.cache.find(s.entry, c.binary)
	return s, nil
}

// announce says what building will take, if it takes more than a moment, and
// refuses to start without the disk for it.
func (b builder) announce(ctx context.Context, steps []step) error {
	var total cost
	var names []string
	for _, s := range steps {
		if s.nested() && !s.present {
			names = append(names, s.title())
			total = total.plus(s.cost)
		}
	}
	if len(names) == 0 {
		return nil
	}
	places, err := b.places(ctx, total)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(b.out, "To build, once: %s.\nThis takes up to %s on two cores and up to %s of disk: %s of binaries in %s, %s of module sources in %s, %s of build cache in %s.\n",
		strings.Join(names, ", "), roughly(total.duration()), size(total.binary+total.modules+total.buildCache),
		size(places[0].bytes), places[0].dir, size(places[1].bytes), places[1].dir, size(places[2].bytes), places[2].dir); err != nil {
		return err
	}
	return shortOfDisk(places, statFilesystem)
}

// places returns where the bytes of a cost will be written.
func (b builder) places(ctx context.Context, total cost) ([]place, error) {
	out, err := goCommand(ctx, b.root, nil, "env", "GOMODCACHE", "GOCACHE")
	if err != nil {
		return nil, err
	}
	modules, gocache, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return []place{{b.cache.dir, total.binary}, {modules, total.modules}, {gocache, total.buildCache}}, nil
}

// ensure returns the path of an up-to-date binary.
func (b builder) ensure(ctx context.Context, s step, show *progress) (string, error) {
	if s.present {
		path, ok := b.cache.find(s.entry, s.binary)
		if ok {
			show.present(s)
			return path, nil
		}
		// Removed since it was seen: build it.
	}
	if s.nested() {
		unlock, err := b.cache.lock(ctx, func() { show.waiting(s) })
		if err != nil {
			return "", err
		}
		defer unlock()
		// The process that held the lock may have built just this.
		if path, ok := b.cache.find(s.entry, s.binary); ok {
			show.present(s)
			return path, nil
		}
	}
	stop := show.start(s)
	path, err := b.compile(ctx, s)
	stop(err == nil)
	return path, err
}

// compile builds a binary into the cache.
func (b builder) compile(ctx context.Context, s step) (string, error) {
	temp, remove, err := b.cache.temp()
	if err != nil {
		return "", err
	}
	defer remove()
	file := filepath.Join(temp, s.binary)
	// No commit is stamped into what the tests run: the same sources must give
	// the same bytes in every checkout and at every commit.
	args := []string{"build", "-buildvcs=false", "-o", file}
	if s.movable {
		sources, remove, err := b.cache.temp()
		if err != nil {
			return "", err
		}
		defer remove()
		flag, err := overlay(ctx, s.dir(b.root), sources)
		if err != nil {
			return "", err
		}
		args = append(args, flag)
	}
	args = append(args, s.arguments()...)
	if _, err := goCommand(ctx, s.dir(b.root), s.env, args...); err != nil {
		return "", err
	}
	entry := s.entry
	if entry == "" {
		if entry, err = contentEntry(s.name, file); err != nil {
			return "", err
		}
		if path, ok := b.cache.find(entry, s.binary); ok {
			return path, nil
		}
	}
	return b.cache.put(temp, entry, s.binary)
}

// contentEntry names a cache entry after the bytes of a binary. A test that
// still runs the old binary, and restarts it, keeps it when a newer one is
// built meanwhile.
func contentEntry(name Name, file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // what was just built
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", file, err)
	}
	return string(name) + "@" + hex.EncodeToString(h.Sum(nil))[:20], nil
}
