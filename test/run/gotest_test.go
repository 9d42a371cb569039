package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newModule makes a module with one package from the test files given and
// makes it the working directory.
func newModule(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/tiny\n\ngo 1.26.0\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestGoTestReportsWhatRan(t *testing.T) {
	const header = "package tiny\n\nimport \"testing\"\n\n"
	for name, tc := range map[string]struct {
		files     map[string]string
		each      bool
		wantErr   string // part of the error; empty for success
		want      []string
		wantNever []string
	}{
		"tests pass": {
			files: map[string]string{"a_test.go": header +
				"func TestA(t *testing.T) { t.Log(\"a secret of TestA\") }\nfunc TestB(t *testing.T) { t.Run(\"sub\", func(*testing.T) {}) }\n"},
			want:      []string{"ok  \texample.com/tiny\t", "2 tests passed"},
			wantNever: []string{"a secret of TestA", "PASS TestA"},
		},
		"each test is shown when asked for": {
			files: map[string]string{"a_test.go": header + "func TestA(*testing.T) {}\n"},
			each:  true,
			want:  []string{"PASS TestA (0.0s)", "ok  \texample.com/tiny\t"},
		},
		"a package without tests beside one with tests is no failure": {
			files: map[string]string{"a_test.go": header + "func TestA(*testing.T) {}\n", "sub/sub.go": "package sub\n"},
			want:  []string{"1 tests passed"},
		},
		"a failing test shows its own output and not that of others": {
			files: map[string]string{"a_test.go": header +
				"func TestA(t *testing.T) { t.Log(\"fine\") }\nfunc TestB(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Error(\"broken\") }) }\n"},
			wantErr:   "exit status 1",
			want:      []string{"broken", "--- FAIL: TestB/sub", "FAIL\texample.com/tiny"},
			wantNever: []string{"fine", "tests passed"},
		},
		"a panic is shown": {
			files:   map[string]string{"a_test.go": header + "func TestA(*testing.T) { panic(\"went wrong\") }\n"},
			wantErr: "exit status 1",
			want:    []string{"went wrong", "FAIL\texample.com/tiny"},
		},
		"an exit in the middle shows which test was running": {
			files:   map[string]string{"a_test.go": "package tiny\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestA(*testing.T) { os.Exit(7) }\n"},
			wantErr: "exit status 1",
			want:    []string{"=== RUN   TestA", "FAIL\texample.com/tiny"},
		},
		"sources that do not compile are shown": {
			files:   map[string]string{"a_test.go": header + "func TestA(*testing.T) { undefinedName() }\n"},
			wantErr: "exit status 1",
			want:    []string{"a_test.go:5", "undefinedName", "[build failed]"},
		},
		"no test at all is a failure": {
			files:     map[string]string{"a_test.go": "package tiny\n"},
			wantErr:   "no test was run",
			wantNever: []string{"tests passed"},
		},
		"a skipped test is a failure": {
			files:     map[string]string{"a_test.go": header + "func TestA(*testing.T) {}\nfunc TestB(t *testing.T) { t.Skip(\"not today\") }\n"},
			wantErr:   "skipped: example.com/tiny.TestB",
			wantNever: []string{"tests passed"},
		},
		"no package is a failure": {
			files:   map[string]string{},
			wantErr: "exit status 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			newModule(t, tc.files)
			var out strings.Builder

			err := goTest{each: tc.each, args: []string{"./..."}}.run(t.Context(), &out)

			if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error is %v, want %q", err, tc.wantErr)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in the output:\n%s", want, out.String())
				}
			}
			for _, never := range tc.wantNever {
				if strings.Contains(out.String(), never) {
					t.Errorf("%q is in the output:\n%s", never, out.String())
				}
			}
		})
	}
}

func TestGoTestShowsWhatAnInterruptedTestWrote(t *testing.T) {
	newModule(t, map[string]string{"a_test.go": `package tiny

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestHangs(*testing.T) {
	fmt.Println("about to hang")
	os.WriteFile("hanging", nil, 0o644)
	time.Sleep(time.Hour)
}
`})
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	interrupted := errors.New("interrupted by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "hanging")); err == nil {
				cancel(interrupted)
			}
		}
	}()
	var out strings.Builder

	err = goTest{args: []string{"."}}.run(ctx, &out)

	if !errors.Is(err, interrupted) {
		t.Errorf("error is %v, want %v", err, interrupted)
	}
	if !strings.Contains(out.String(), "about to hang") {
		t.Errorf("the test's output is missing:\n%s", out.String())
	}
}
