package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseFuzzListNamesEachTargetWithItsPackage(t *testing.T) {
	const text = `FuzzParse
FuzzKey
ok  	example.com/a	0.010s
?   	example.com/b	[no test files]
ok  	example.com/c	0.020s
FuzzFrame
ok  	example.com/d	0.020s
`
	want := []fuzzTarget{{"example.com/a", "FuzzParse"}, {"example.com/a", "FuzzKey"}, {"example.com/d", "FuzzFrame"}}
	if got := parseFuzzList(text); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestHasResultsIsNotContentWithNames(t *testing.T) {
	for text, want := range map[string]bool{
		"goos: linux\nBenchmarkStatus-2   \t   41234\t     29131 ns/op\t  12 B/op\nPASS\n": true,
		"BenchmarkScan-2  1  8.1 values/ms\n":                                              true,
		"goos: linux\nBenchmarkStatus\n--- FAIL: BenchmarkStatus\nPASS\n":                  false,
		"PASS\nok  \texample.com/a\t0.1s\n":                                                false,
	} {
		if got := hasResults(text); got != want {
			t.Errorf("hasResults is %v, want %v, for\n%s", got, want, text)
		}
	}
}

func TestNewestExceptSkipsTheResultsJustMade(t *testing.T) {
	dir := t.TempDir()
	for minute, name := range []string{"old.txt", "previous.txt", "now.txt", "now.jsonl"} {
		path, at := filepath.Join(dir, name), time.Unix(0, 0).Add(time.Duration(minute)*time.Minute)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := newestExcept(dir, "now.txt"); err != nil || got != filepath.Join(dir, "previous.txt") {
		t.Errorf("found %q, %v", got, err)
	}
	if got, err := newestExcept(t.TempDir(), "now.txt"); err != nil || got != "" {
		t.Errorf("found %q, %v where there is nothing to compare with", got, err)
	}
}

func TestTwoReleasesThatDifferOrWereNotMadeAreAFailure(t *testing.T) {
	for sums, same := range map[[2]string]bool{
		{"1  a\n", "1  a\n"}: true, {"1  a\n", "2  a\n"}: false, {"1  a\n", ""}: false, {"", ""}: false,
	} {
		if err := sameSums(sums[0], sums[1]); (err == nil) != same {
			t.Errorf("%q: %v", sums, err)
		}
	}
}

func TestVulncheckIsNoPassUnlessSomethingWasLookedUp(t *testing.T) {
	exit := func(status string) error {
		return fmt.Errorf("govulncheck: %w", exec.Command("sh", "-c", "exit "+status).Run())
	}
	for name, tc := range map[string]struct {
		text string
		err  error
		want string
	}{
		"nothing found":     {text: "No vulnerabilities found.\n"},
		"something found":   {text: "Vulnerability #1", err: exit("3"), want: "known vulnerabilities"},
		"no network":        {text: "govulncheck: fetching vulnerabilities: Get \"https://vuln.go.dev/…\": no such host", err: exit("1"), want: "NOTHING WAS CHECKED"},
		"no word about it":  {want: "NOTHING WAS CHECKED"},
		"it does not build": {text: "govulncheck: loading packages", err: exit("1"), want: "exit status 1"},
	} {
		err := vulncheckVerdict(tc.text, tc.err)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error is %v, want %q", name, err, tc.want)
		}
	}
}
