package main

import "testing"

func TestAVerdictIsQuotedWithoutWhatIsBelowIt(t *testing.T) {
	for report, want := range map[string]string{
		"Verdict for a: FAIL, finding: EA-121; below it: EA-104,\n  EA-105, EA-123\nFAIL            EA-121\n                 more\n": "Verdict for a: FAIL, finding: EA-121\nFAIL            EA-121\n                 more\n",
		"Verdict for a: PASS, no finding; below\n  it: EA-104\n(and 7 more lines)\n":                                                 "Verdict for a: PASS, no finding\n(and 7 more lines)\n",
		"Verdict for a: PASS\nScope: b\n  c\n": "Verdict for a: PASS\nScope: b\n  c\n",
	} {
		if got := withoutLower(report); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
