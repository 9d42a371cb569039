package data

import (
	"regexp"
	"strings"
	"testing"
)

func TestEverySensitiveResourceIsNamedOnceAndHasASource(t *testing.T) {
	seen, name := map[string]bool{}, regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9-]+)+$`)
	for _, s := range append(credentials(), mayHold()...) {
		if seen[s.resource] || !name.MatchString(s.resource) || s.holds == "" || !strings.HasPrefix(s.source, "https://") {
			t.Errorf("%+v", s)
		}
		seen[s.resource] = true
	}
}
