package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// newModule returns the directory of a module with one test file.
func newModule(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	imports := "package tiny\n\nimport (\n\t\"os\"\n\t\"testing\"\n\t\"time\"\n)\n\nvar _, _, _ = os.Exit, testing.Main, time.Now\n"
	if err := errors.Join(os.WriteFile(dir+"/go.mod", []byte("module example.com/tiny\n\ngo 1.26.0\n"), 0o600),
		os.WriteFile(dir+"/a_test.go", []byte(imports+body), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOnlyTestsThatAllRanAndPassedAreASuccess(t *testing.T) {
	t.Chdir("../..")
	for name, tc := range map[string]struct {
		body    string
		wantErr string // part of the error; empty for success
		want    string // part of the output
	}{
		"tests pass":             {"func TestA(t *testing.T) { t.Run(\"sub\", func(*testing.T) {}) }\n", "", "PASS"},
		"a test fails":           {"func TestB(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Error(\"broken\") }) }\n", "a_test.go:10: broken", "broken"},
		"a test panics":          {"func TestA(*testing.T) { panic(\"went wrong\") }\n", "exit status 1", "went wrong"},
		"a test exits":           {"func TestA(*testing.T) { println(\"leaves\"); os.Exit(7) }\n", "exit status 1", "leaves"},
		"sources do not compile": {"func TestA(*testing.T) { undefinedName() }\n", "exit status", "undefined: undefinedName"},
		"there is no test":       {"", "no test was run", ""},
		"a test is skipped":      {"func TestA(*testing.T) {}\nfunc TestB(t *testing.T) { t.Skip() }\n", "1 tests were skipped: example.com/tiny.TestB", ""},
		"a subtest is skipped":   {"func TestA(t *testing.T) { t.Run(\"b\", func(t *testing.T) { t.Skip() }) }\n", "1 tests were skipped: example.com/tiny.TestA/b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := goTest{dir: newModule(t, tc.body), args: []string{"./..."}}.run(t.Context(), &out)
			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error is %v, want %q", err, tc.wantErr)
			}
			if !strings.Contains(out.String(), tc.want) {
				t.Errorf("%q is missing in the output:\n%s", tc.want, out.String())
			}
		})
	}
}

// An interrupt must not hide what a test that hangs has written.
func TestAnInterruptShowsWhatTheTestWrote(t *testing.T) {
	t.Chdir("../..")
	dir := newModule(t, "func TestHangs(*testing.T) { println(\"about to hang\"); os.WriteFile(\"hanging\", nil, 0o644); time.Sleep(time.Hour) }\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for _, err := os.Stat(dir + "/hanging"); err != nil; _, err = os.Stat(dir + "/hanging") {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	var out strings.Builder
	err := goTest{dir: dir, args: []string{"."}}.run(ctx, &out)
	if !errors.Is(err, context.Canceled) || !strings.Contains(out.String(), "about to hang") {
		t.Errorf("error is %v, output\n%s", err, out.String())
	}
}
