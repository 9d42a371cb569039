package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// The transcript stands in the README between these lines.
const (
	transcriptBegin = "<!-- transcript -->\n\n```text\n"
	transcriptEnd   = "```\n\n<!-- end of transcript -->\n"
)

// replacement is something that differs from run to run, and what it is
// replaced by before two transcripts are compared.
type replacement struct {
	what *regexp.Regexp
	by   string
}

func replacements() []replacement {
	return []replacement{
		{regexp.MustCompile("\x1b\\[[0-9;]*m"), ""},
		// What is found on the node depends on the node: its name, where temporary files
		// are, what else runs there.
		{regexp.MustCompile(`(?s)\| Scope: host .*?\| ADDRESS`), "| ADDRESS"},
		{regexp.MustCompile(`(?m)^(   \| )[0-9a-f]{8}  .*$`), "${1}BYTES"},
		{regexp.MustCompile(`/[A-Za-z0-9_./-]+`), "PATH"},
		{regexp.MustCompile(`\bv[0-9]+\.[0-9a-f]{32}\b`), "KEYID"},
		{regexp.MustCompile(`\b[0-9a-f]{12,64}\b`), "HEX"},
		{regexp.MustCompile(`[0-9]+`), "0"},
		// Tables are as wide as the numbers in them.
		{regexp.MustCompile(`[ ─━-]{2,}`), " "},
		{regexp.MustCompile(` +\n`), "\n"},
		// How many lines of bytes there are depends on where a passage begins, and
		// which resources besides Secrets on what the API server has got round to.
		{regexp.MustCompile(`(?m)(^ \| BYTES\n)+`), " | BYTES\n"},
		{regexp.MustCompile(`(?m)(^ \| [a-z.0-9]+ 0 PLAINTEXT [a-z]+\n)+`), " | ROWS\n"},
	}
}

// shape is a transcript as words, without what may differ between two good runs. Where a
// report breaks its lines depends on how long the numbers in them are.
func shape(text string) []string {
	for _, v := range replacements() {
		text = v.what.ReplaceAllString(text, v.by)
	}
	return slices.DeleteFunc(strings.Fields(text), func(word string) bool { return word == "|" })
}

// checkTranscript says where the transcript in a file has another shape than
// what was just printed.
func checkTranscript(file, printed string) error {
	_, stored, _, err := splitTranscript(file)
	if err != nil {
		return err
	}
	want, got := shape(stored), shape(printed)
	for i := range max(len(want), len(got)) {
		if wordsAt(want, i, 1) != wordsAt(got, i, 1) {
			return fmt.Errorf("the transcript in %s is no longer what the demo prints (`make transcript` renews it)\nword %d there: %s\nprinted now: %s", file, i+1, wordsAt(want, i, 12), wordsAt(got, i, 12))
		}
	}
	return nil
}

// wordsAt returns some words from one on.
func wordsAt(words []string, i, n int) string {
	if i >= len(words) {
		return "(nothing)"
	}
	return strings.Join(words[i:min(i+n, len(words))], " ")
}

// writeTranscript puts what was printed into a file.
func writeTranscript(file, printed string) error {
	before, _, after, err := splitTranscript(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+transcriptBegin+printed+transcriptEnd+after), 0o644) //nolint:gosec // a README is read by all
}

func splitTranscript(file string) (before, transcript, after string, err error) {
	text, err := os.ReadFile(file) //nolint:gosec // named by the Makefile
	if err != nil {
		return "", "", "", fmt.Errorf("read transcript: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), transcriptBegin)
	transcript, after, ok2 := strings.Cut(rest, transcriptEnd)
	if !ok || !ok2 {
		return "", "", "", errors.New(file + " has no transcript between its markers")
	}
	return before, transcript, after, nil
}
