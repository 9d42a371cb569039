package components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tinySource is a program small enough to be built many times.
const tinySource = `package main

import "os"

func main() { os.Stdout.WriteString(text) }
`

// newTiny returns a builder over a checkout that has one nested module, and
// the component built from it.
func newTiny(t *testing.T) (builder, component, *strings.Builder) {
	t.Helper()
	root := t.TempDir()
	writeFiles(t, root, map[string]string{
		"tiny/go.mod":        "module example.com/tiny\n\ngo 1.26.0\n",
		"tiny/go.sum":        "",
		"tiny/main.go":       tinySource,
		"tiny/text.go":       "//go:build !other\n\npackage main\n\nconst text = \"one\"\n",
		"tiny/text_other.go": "//go:build other\n\npackage main\n\nconst text = \"other\"\n",
	})
	var out strings.Builder
	c := component{name: "tiny", binary: "tinybin", module: "tiny", pkg: "."}
	return builder{root: root, cache: cache{dir: t.TempDir()}, out: &out}, c, &out
}

func writeFiles(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// mustBuild builds one component and returns the binary's path.
func mustBuild(t *testing.T, b builder, c component) string {
	t.Helper()
	binaries, err := b.build(t.Context(), []component{c})
	if err != nil {
		t.Fatal(err)
	}
	return binaries.Path(c.name)
}

func output(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	if err != nil {
		t.Fatalf("run %s: %v\n%s", path, err, out)
	}
	return string(out)
}

func TestBuildCompilesExactlyWhenSomethingChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(t *testing.T, b *builder, c *component)
		want      string
		wantBuild bool
	}{
		"nothing changed": {
			change: func(*testing.T, *builder, *component) {},
			want:   "one",
		},
		"the same sources in another checkout": {
			change: func(t *testing.T, b *builder, _ *component) {
				clone := t.TempDir()
				if err := os.CopyFS(clone, os.DirFS(b.root)); err != nil {
					t.Fatal(err)
				}
				b.root = clone
			},
			want: "one",
		},
		"a test of the module changed": {
			change: func(t *testing.T, b *builder, _ *component) {
				writeFiles(t, b.root, map[string]string{"tiny/main_test.go": "package main\n"})
			},
			want: "one",
		},
		"a source changed": {
			change: func(t *testing.T, b *builder, _ *component) {
				writeFiles(t, b.root, map[string]string{"tiny/text.go": "package main\n\nconst text = \"two\"\n"})
			},
			want: "two", wantBuild: true,
		},
		"go.sum changed": {
			change: func(t *testing.T, b *builder, _ *component) {
				writeFiles(t, b.root, map[string]string{
					"tiny/go.sum": "example.com/a v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
				})
			},
			want: "one", wantBuild: true,
		},
		"go.mod changed": {
			change: func(t *testing.T, b *builder, _ *component) {
				writeFiles(t, b.root, map[string]string{"tiny/go.mod": "module example.com/tiny\n\ngo 1.25.0\n"})
			},
			want: "one", wantBuild: true,
		},
		"the flags changed": {
			change: func(_ *testing.T, _ *builder, c *component) { c.flags = []string{"-tags=other"} },
			want:   "other", wantBuild: true,
		},
		"the environment of the compiler changed": {
			change: func(_ *testing.T, _ *builder, c *component) { c.env = []string{"CGO_ENABLED=0"} },
			want:   "one", wantBuild: true,
		},
		"the user's environment asks for another build": {
			change: func(t *testing.T, b *builder, _ *component) {
				t.Setenv("GOFLAGS", "-tags=other")
				b.cache = cache{dir: t.TempDir()}
			},
			want: "one", wantBuild: true,
		},
		"the binary was deleted": {
			change: func(t *testing.T, b *builder, _ *component) {
				if err := (b.cache).clean(); err != nil {
					t.Fatal(err)
				}
			},
			want: "one", wantBuild: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, c, out := newTiny(t)
			if got := output(t, mustBuild(t, b, c)); got != "one" {
				t.Fatalf("the first build prints %q, want %q", got, "one")
			}
			out.Reset()

			tc.change(t, &b, &c)
			path := mustBuild(t, b, c)

			if got := output(t, path); got != tc.want {
				t.Errorf("the binary prints %q, want %q", got, tc.want)
			}
			if built := strings.Contains(out.String(), "built in"); built != tc.wantBuild {
				t.Errorf("built: %v, want %v; output:\n%s", built, tc.wantBuild, out)
			}
		})
	}
}

func TestBuildKeepsTheOldBinaryOfAProductWhileItsSourcesChange(t *testing.T) {
	b, c, _ := newTiny(t)
	// Products are built in the root module.
	b.root = filepath.Join(b.root, "tiny")
	c.module = "."

	first := mustBuild(t, b, c)
	if again := mustBuild(t, b, c); again != first {
		t.Errorf("unchanged sources gave %s, then %s", first, again)
	}
	writeFiles(t, b.root, map[string]string{"text.go": "package main\n\nconst text = \"two\"\n"})
	second := mustBuild(t, b, c)

	if got := output(t, second); got != "two" {
		t.Errorf("the new binary prints %q, want %q", got, "two")
	}
	if got := output(t, first); got != "one" {
		t.Errorf("the old binary prints %q, want %q", got, "one")
	}
}

func TestBuildShowsTheCompilersMessagesAndTheComponent(t *testing.T) {
	b, c, out := newTiny(t)
	writeFiles(t, b.root, map[string]string{"tiny/text.go": "package main\n\nconst text = undefinedName\n"})

	_, err := b.build(t.Context(), []component{c})

	if err == nil {
		t.Fatal("built sources that do not compile")
	}
	for _, want := range []string{"build tiny (tiny)", "text.go:3", "undefinedName"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not contain %q: %v", want, err)
		}
	}
	if !strings.Contains(out.String(), "[1/1] tiny: FAILED") {
		t.Errorf("the step is not shown as failed:\n%s", out)
	}
}

func TestBuildRefusesAModuleWithSourcesOutsideIt(t *testing.T) {
	b, c, _ := newTiny(t)
	writeFiles(t, b.root, map[string]string{
		"tiny/go.mod": "module example.com/tiny\n\ngo 1.26.0\n\nreplace example.com/a => ../a\n",
	})

	_, err := b.build(t.Context(), []component{c})

	if err == nil || !strings.Contains(err.Error(), "replaces example.com/a by the directory ../a") {
		t.Errorf("error is %v", err)
	}
}

// fakeGo puts a go command before the real one that runs a script for `go
// build` and passes the rest on: a compiler that dies half-way or hangs cannot
// be had from the real one. The script finds the path to write to in $out.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	realGo, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := `#!/bin/sh
if [ "$1" != build ]; then exec ` + realGo + ` "$@"; fi
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
` + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestBuildNeverUsesAHalfWrittenBinary(t *testing.T) {
	b, c, _ := newTiny(t)
	path := os.Getenv("PATH")
	fakeGo(t, `printf '#!/bin/sh\necho half' >"$out"; chmod +x "$out"; echo killed >&2; exit 1`)

	if _, err := b.build(t.Context(), []component{c}); err == nil {
		t.Fatal("a build that failed gave a binary")
	}
	t.Setenv("PATH", path)

	if got := output(t, mustBuild(t, b, c)); got != "one" {
		t.Errorf("the binary prints %q, want %q", got, "one")
	}
}

func TestBuildIgnoresWhatAKilledProcessLeftBehind(t *testing.T) {
	b, c, _ := newTiny(t)
	if err := b.cache.open(); err != nil {
		t.Fatal(err)
	}
	// Left by SIGKILL: a temporary directory, and a lock file nobody holds.
	writeFiles(t, b.cache.dir, map[string]string{
		tempPrefix + "123/" + c.binary: "half",
		lockFile:                       "",
	})

	if got := output(t, mustBuild(t, b, c)); got != "one" {
		t.Errorf("the binary prints %q, want %q", got, "one")
	}
}

func TestBuildStopsTheCompilerAndItsChildrenWhenCancelled(t *testing.T) {
	b, c, _ := newTiny(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	fakeGo(t, `sleep 600 >/dev/null 2>&1 & echo $! >`+pidFile+`.new; mv `+pidFile+`.new `+pidFile+`; wait`)
	interrupted := errors.New("interrupted by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := b.build(ctx, []component{c})
		done <- err
	}()
	pid := waitForPID(t, pidFile)

	cancel(interrupted)

	if err := <-done; !errors.Is(err, interrupted) {
		t.Errorf("error is %v, want %v", err, interrupted)
	}
	waitUntil(t, func() bool { return !running(pid) })
	if left, _ := filepath.Glob(filepath.Join(b.cache.dir, tempPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// waitForPID waits for a file with a process id to appear.
func waitForPID(t *testing.T, file string) int {
	t.Helper()
	var pid int
	waitUntil(t, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			t.Fatal(err)
		}
		return true
	})
	return pid
}

// running says whether a process does anything still. An orphan that has ended
// may stay as a zombie where nothing reaps it.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(status), ") Z ")
}

func waitUntil(t *testing.T, happened func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen within 30 s")
		}
	}
}

func TestBuildCompilesOnceForSeveralProcesses(t *testing.T) {
	b, c, _ := newTiny(t)
	const processes = 4
	outs := make([]strings.Builder, processes)
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			// Locks belong to open files, so goroutines exclude each other as
			// processes do.
			mine := b
			mine.out = &outs[i]
			if _, err := mine.build(t.Context(), []component{c}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	built := 0
	for i := range outs {
		built += strings.Count(outs[i].String(), "built in")
	}
	if built != 1 {
		t.Errorf("built %d times, want once", built)
	}
}

func TestBuildSaysFirstWhatItTakes(t *testing.T) {
	b, c, out := newTiny(t)
	c.cost = cost{seconds: 300, binary: 10 * mib, modules: 20 * mib, buildCache: 1 * mib}

	mustBuild(t, b, c)

	first, _, _ := strings.Cut(out.String(), "[1/1]")
	for _, want := range []string{"tiny", "up to 5m", "up to 31 MiB of disk", "10 MiB of binaries in " + b.cache.dir, "20 MiB of module sources", "1 MiB of build cache"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing before the first step:\n%s", want, first)
		}
	}
}

func TestBuildRefusesADiskThatIsTooSmall(t *testing.T) {
	b, c, out := newTiny(t)
	c.cost = cost{seconds: 300, binary: 1 << 60}

	_, err := b.build(t.Context(), []component{c})

	if err == nil || !strings.Contains(err.Error(), "not enough disk") || !strings.Contains(err.Error(), b.cache.dir) {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(out.String(), "compiling") {
		t.Errorf("it started to build:\n%s", out)
	}
}

func TestBuildDoesNothingWhenCancelledBefore(t *testing.T) {
	b, c, _ := newTiny(t)
	interrupted := errors.New("interrupted by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)

	if _, err := b.build(ctx, []component{c}); !errors.Is(err, interrupted) {
		t.Errorf("error is %v, want %v", err, interrupted)
	}
}
