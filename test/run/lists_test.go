package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
