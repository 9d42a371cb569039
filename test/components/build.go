package components

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sealproof/sealproof/test/internal/group"
)

// outputDir is where the binaries are, below the repository's root: each checkout
// has its own, so that two of them do not run each other's product.
const outputDir = "bin/test"

// tagText marks a directory that backup programs leave out (https://bford.info/cachedir/).
const tagText = "Signature: 8a477f597d28d172789f06886806bc55\n# Binaries built by Sealproof's tests. `make clean` removes them.\n"

// killAfter is how long a compiler that was interrupted has to stop.
const killAfter = 5 * time.Second

// builder builds components of one checkout.
type builder struct {
	root string
	mu   sync.Mutex
	done Binaries
}

// process is shared: tests ask for the same programs again and again, and an up-to-date
// kube-apiserver costs three seconds.
var process = sync.OnceValues(func() (*builder, error) {
	root, err := goCommand(context.Background(), ".", nil, "list", "-m", "-f", "{{.Dir}}", "github.com/sealproof/sealproof")
	if err != nil {
		return nil, fmt.Errorf("find the checkout of Sealproof that contains the working directory: %w", err)
	}
	return &builder{root: root, done: Binaries{}}, nil
})

// Build calls `go build` for every named program and returns where the binaries are.
// A first build takes minutes, and the first line written to out says how many;
// afterwards Go's build cache compiles what has changed. Each process builds a program
// once. Several processes may build at the same time: one waits for the other.
//
// A cancelled ctx stops the compiler. The compiler's own messages are in the error.
func Build(ctx context.Context, out io.Writer, names ...Name) (Binaries, error) {
	b, err := process()
	if err != nil {
		return nil, err
	}
	selected, err := choose(names)
	if err != nil {
		return nil, err
	}
	return b.build(ctx, out, selected)
}

func (b *builder) build(ctx context.Context, out io.Writer, selected []component) (Binaries, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var missing []component
	for _, c := range selected {
		if _, ok := b.done[c.name]; !ok {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		unlock, err := b.open(ctx, out)
		if err != nil {
			return nil, err
		}
		defer unlock()
		b.announce(out, missing)
	}
	for i, c := range missing {
		began := time.Now()
		binary, err := b.compile(ctx, c)
		if err != nil {
			printf(out, "  [%d/%d] %s: FAILED\n", i+1, len(missing), c.name)
			return nil, fmt.Errorf("build %s (%s in %s): %w", c.name, c.pkg, c.module, err)
		}
		// Whole lines only: "--- PASS" in the middle of one is not seen as a test's end.
		printf(out, "  [%d/%d] %s: %.1fs\n", i+1, len(missing), c.name, time.Since(began).Seconds())
		b.done[c.name] = binary
	}
	binaries := make(Binaries, len(selected))
	for _, c := range selected {
		binaries[c.name] = b.done[c.name]
	}
	return binaries, nil
}

func (b *builder) dir(c component) string { return filepath.Join(b.root, outputDir, string(c.name)) }

// open makes the directory of binaries and waits until no other process builds there.
func (b *builder) open(ctx context.Context, out io.Writer) (unlock func(), err error) {
	dir := filepath.Join(b.root, outputDir)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make a directory for the components: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "CACHEDIR.TAG"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // below the repository
	if err != nil {
		return nil, fmt.Errorf("mark the directory of the components: %w", err)
	}
	// Polled, since a blocking flock could not be interrupted.
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if info, statErr := f.Stat(); err == nil && statErr == nil && info.Size() == 0 {
			_, err = f.WriteString(tagText)
		}
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if ctx.Err() != nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("wait for other processes that build components: %w", errors.Join(err, context.Cause(ctx), f.Close()))
		}
		if first {
			printf(out, "  waiting for another process that builds components\n")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// announce says what the programs that were never built here may take.
func (b *builder) announce(out io.Writer, list []component) {
	var total cost
	var names []string
	for _, c := range list {
		if _, err := os.Stat(filepath.Join(b.dir(c), c.binary)); err != nil {
			names = append(names, string(c.name))
			total.seconds += c.first.seconds
			total.mib += c.first.mib
		}
	}
	if len(names) > 0 {
		printf(out, "Building %s: up to %d minutes on two cores and %d GiB of disk where Go's caches (GOMODCACHE, GOCACHE) are empty.\n",
			strings.Join(names, ", "), total.seconds/60+1, total.mib/1024+1)
	}
}

// compile builds one program and puts it where its users find it.
func (b *builder) compile(ctx context.Context, c component) (Binary, error) {
	module := filepath.Join(b.root, filepath.FromSlash(c.module))
	binary := Binary{Path: filepath.Join(b.dir(c), c.binary)}
	// The go command links nothing if what is at -o is up to date. But it replaces a
	// file in place, and another test may be about to start it. A dot hides the
	// directory from "./...".
	work := filepath.Join(b.dir(c), ".build")
	if err := os.MkdirAll(work, 0o750); err != nil {
		return Binary{}, fmt.Errorf("make a directory to build in: %w", err)
	}
	built := filepath.Join(work, c.binary)
	// No commit is stamped into what the tests run: a commit alone would link it again.
	args := []string{"build", "-buildvcs=false", "-o", built}
	var err error
	if c.version != "" {
		if binary.Version, err = goCommand(ctx, module, nil, "list", "-m", "-f", "{{.Version}}", c.version); err != nil {
			return Binary{}, err
		}
	}
	if c.movable {
		flag, err := overlay(ctx, module, work)
		if err != nil {
			return Binary{}, err
		}
		args = append(args, flag)
	}
	args = append(args, c.flags...)
	args = append(args, "-ldflags="+strings.ReplaceAll(c.ldflags, "{version}", binary.Version), c.pkg)
	old, noOld := os.Stat(binary.Path)
	if _, err := goCommand(ctx, module, c.env, args...); err != nil {
		return Binary{}, err
	}
	fresh, err := os.Stat(built)
	if err != nil {
		return Binary{}, err
	}
	if noOld == nil && os.SameFile(old, fresh) {
		// The go command renews the time of what is up to date. To its cache of test
		// results that is another program, and every test of it runs again.
		return binary, os.Chtimes(built, time.Time{}, old.ModTime())
	}
	// At once: a process that runs the old binary keeps it, and none finds half of one.
	temp := built + ".new"
	return binary, errors.Join(os.RemoveAll(temp), os.Link(built, temp), os.Rename(temp, binary.Path))
}

// goCommand runs the go command in dir and returns its standard output without the
// last newline. What it wrote to standard error is in the error.
func goCommand(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are this package's own
	cmd.Dir = dir
	// The user's GOFLAGS or go.work would change what is built.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := group.Run(ctx, cmd, killAfter); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, WithoutDownloads(stderr.String()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

// WithoutDownloads returns what the go command wrote without the hundreds of lines
// about modules that it writes on a fresh machine.
func WithoutDownloads(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "go: downloading ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// printf writes progress; when it cannot be shown, that must not stop a build.
func printf(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
