package components

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// newTiny returns a checkout with one nested module, and the component built from it.
func newTiny(t *testing.T, main string) (root string, c component) {
	t.Helper()
	root = t.TempDir()
	writeFile(t, root, "tiny/go.mod", "module example.com/tiny\n\ngo 1.26.0\n")
	writeFile(t, root, "tiny/main.go", main)
	writeFile(t, root, "tiny/other.go", "//go:build other\n\npackage main\n\nfunc init() { println(\"other\") }\n")
	return root, component{name: "tiny", binary: "tinybin", module: "tiny", pkg: ".", first: cost{300, 2048}}
}

const (
	sourceOne = "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"one\") }\n"
	sourceTwo = "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"two\") }\n"
)

func writeFile(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// build builds one component as a new process does, and returns the binary's path.
func build(t *testing.T, root string, out io.Writer, c component) (string, error) {
	t.Helper()
	binaries, err := (&builder{root: root, done: Binaries{}}).build(t.Context(), out, []component{c})
	return binaries[c.name].Path, err
}

func TestBuildFollowsTheSourcesAndReplacesNothingElse(t *testing.T) {
	root, c := newTiny(t, sourceOne)
	t.Setenv("GOFLAGS", "-tags=other") // the user's own, which must not matter
	var inodes []os.FileInfo
	for _, step := range []struct{ name, source, want string }{
		{"first", sourceOne, "one"}, {"again", sourceOne, "one"}, {"changed", sourceTwo, "two"},
	} {
		writeFile(t, root, "tiny/main.go", step.source)
		var out strings.Builder
		path, err := build(t, root, &out, c)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), path).Output(); err != nil || string(out) != step.want {
			t.Fatalf("%s: it prints %q, %v; want %q", step.name, out, err, step.want)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		inodes = append(inodes, info)
		if said := strings.Contains(out.String(), "Building tiny: up to 6 minutes on two cores and 3 GiB"); said != (step.name == "first") {
			t.Errorf("%s: what a first build takes was said: %v, in\n%s", step.name, said, out.String())
		}
	}
	if !os.SameFile(inodes[0], inodes[1]) {
		t.Error("unchanged sources were linked again")
	}
	// A process that runs the old binary has it by its inode.
	if os.SameFile(inodes[1], inodes[2]) {
		t.Error("the old binary was changed in place")
	}
}

func TestSourcesThatDoNotCompileGiveNoBinary(t *testing.T) {
	root, c := newTiny(t, "package main\n\nfunc main() { undefinedName() }\n")
	writeFile(t, root, "bin/test/tiny/tinybin", "an earlier build")
	var out strings.Builder
	_, err := build(t, root, &out, c)
	if err == nil {
		t.Fatal("it is built")
	}
	for _, want := range []string{"build tiny (. in tiny)", "main.go:3", "undefinedName"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not contain %q: %v", want, err)
		}
	}
	if !strings.Contains(out.String(), "[1/1] tiny: FAILED") {
		t.Errorf("the step is not shown as failed:\n%s", out.String())
	}
}

func TestProcessesThatBuildAtOnceGetWholeBinaries(t *testing.T) {
	root, c := newTiny(t, sourceOne)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			// Locks belong to open files, so goroutines exclude each other as processes do.
			path, err := build(t, root, io.Discard, c)
			if err != nil {
				t.Error(err)
				return
			}
			if out, err := exec.CommandContext(t.Context(), path).Output(); string(out) != "one" {
				t.Errorf("%s prints %q, %v", path, out, err)
			}
		})
	}
	all.Wait()
}

// The matrix would pass with a wrong version as well.
func TestAComponentHasTheReleaseThatItsNameSays(t *testing.T) {
	for _, c := range table() {
		release, found := strings.CutPrefix(string(c.name), c.binary+"-")
		if c.version == "" || !found {
			continue
		}
		version, err := goCommand(t.Context(), filepath.Join("../..", c.module), nil, "list", "-m", "-f", "{{.Version}}", c.version)
		if err != nil || !strings.HasPrefix(version, "v"+release+".") {
			t.Errorf("%s has version %s, %v", c.name, version, err)
		}
	}
}
