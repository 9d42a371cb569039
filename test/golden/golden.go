// Package golden compares what a test made with a file that holds what it should
// have made. It must never know what is in it.
package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Compare fails the test if got differs from the file of a name below testdata.
// With update it writes the file instead.
func Compare(t *testing.T, name, got string, update bool) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // the test's own file
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (run with -update if this is meant):\n%s", path, diff)
	}
}

// CompareJSON is Compare for JSON that is indented by two spaces. In the file an
// object without further ones in it stands in one line, so that a change is seen in
// the line of what has changed.
func CompareJSON(t *testing.T, name, got string, update bool) {
	t.Helper()
	flat := regexp.MustCompile(`\{[^{}\[\]]*\}`)
	breaks := regexp.MustCompile(`\n\s*`) // none is inside a string
	folded := flat.ReplaceAllStringFunc(got, func(object string) string { return breaks.ReplaceAllString(object, " ") })
	var again bytes.Buffer
	if err := json.Indent(&again, []byte(folded), "", "  "); err != nil || again.String() != got {
		t.Errorf("%s: the JSON is not indented by two spaces: %v", name, err)
	}
	Compare(t, name, folded, update)
}
