package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTwoRunsHaveOneShape(t *testing.T) {
	one := "   all of it in /tmp/sealproof-123\n   | 000000a0  70 61 73 73 |pass|\n   | 000000b0  70 61 |pa|\n== 3 ROTATE\n v2.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa    220\nfrom 10:11:12 UTC\n"
	two := "   all of it in /tmp/sealproof-99\n   | 000000b0  00 61 73 73 |.ass|\n== 3 ROTATE\n v3.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb   1220\nfrom 22:01:02 UTC\n"
	if !slices.Equal(shape(one), shape(two)) {
		t.Errorf("\n%q\n%q", shape(one), shape(two))
	}
	for _, other := range []string{
		strings.Replace(one, "ROTATE", "OUTAGE", 1),
		strings.Replace(one, "from 10:11:12 UTC\n", "", 1),
		one + "another line\n",
	} {
		if slices.Equal(shape(one), shape(other)) {
			t.Errorf("the same shape as\n%s", other)
		}
	}
}

func TestATranscriptIsWrittenCheckedAndMissed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("# Title\n"+transcriptBegin+"old\n"+transcriptEnd+"rest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkTranscript(file, "new 1\n"); err == nil || !strings.Contains(err.Error(), "make transcript") {
		t.Errorf("got %v", err)
	}
	if err := writeTranscript(file, "new 1\n"); err != nil {
		t.Fatal(err)
	}
	if err := checkTranscript(file, "new 22\n"); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Title\n") || !strings.HasSuffix(string(text), "rest\n") {
		t.Errorf("what stands around it was lost:\n%s", text)
	}
	if err := os.WriteFile(file, []byte("# Title\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if checkTranscript(file, "new\n") == nil {
		t.Error("a file without a transcript passes")
	}
}
