package boundedyaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

func TestADocumentIsDecodedOnlyIfItStaysSmall(t *testing.T) {
	aliases := func(text, alias string, n int) string {
		return "a: &a " + text + "\nb:\n" + strings.Repeat(alias, n)
	}
	const line = "- *a\n"
	for name, tc := range map[string]struct {
		text  string
		large bool
	}{
		"a long text with thousands of aliases":  {aliases(strings.Repeat("x", 900_000), line, 5000), true},
		"a shorter one":                          {aliases(strings.Repeat("x", 100_000), line, 3000), true},
		"a key too long for YAML, with aliases":  {"a: &a {" + strings.Repeat("x", 900_000) + ": 1}\nb:\n" + strings.Repeat(line, 5000), false},
		"a long text in what is merged":          {"a: &a {x: " + strings.Repeat("x", 900_000) + "}\nb:\n" + strings.Repeat("- <<: *a\n", 5000), true},
		"many values":                            {"a: &a [" + strings.Repeat("x,", 1000) + "]\nb:\n" + strings.Repeat(line, 200), true},
		"aliases in what only looks like YAML":   {"a: &a x\nb: *a\n\tc: 1\n", false},
		"a long text with three aliases":         {aliases(strings.Repeat("x", 900_000), line, 3), false},
		"aliases as they are used":               {aliases("{x: 1}", line, 20), false},
		"a text without aliases":                 {"a: " + strings.Repeat("x", 1<<20), false},
		"no document":                            {"", false},
		"stars and ampersands that are no alias": {"a: 'x & *'\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			var into any
			err := boundedyaml.Unmarshal([]byte(tc.text), &into)
			if _, large := errors.AsType[boundedyaml.TooLargeError](err); large != tc.large {
				t.Errorf("%.100v", err)
			}
		})
	}
}

func TestTheDecoderSaysWhatIsNoYAML(t *testing.T) {
	var into any
	err := boundedyaml.Unmarshal([]byte("a:\n\tb: 1\n"), &into)
	if _, large := errors.AsType[boundedyaml.TooLargeError](err); err == nil || large {
		t.Errorf("%v", err)
	}
}
