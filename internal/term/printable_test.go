package term_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/term"
)

func TestOnlyWhatIsPrintableIsShownAsItIs(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"system:node":         "system:node",
		"größe 東京 \\x":        "größe 東京 \\x",
		"a\x1b[2Jb":           `a\x1b[2Jb`,
		"a\nb\tc":             `a\nb\tc`,
		"a\xffb":              `a\xffb`,
		"abc\u202edef":        `abc\u202edef`, // would be shown backwards
		"a\u0085b\u2028c\x7f": `a\u0085b\u2028c\x7f`,
	} {
		if got := term.Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
