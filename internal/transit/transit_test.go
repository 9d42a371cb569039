package transit_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/transit"
)

func TestATransitTextIsSplitIntoVersionAndBody(t *testing.T) {
	for _, row := range []struct {
		text    string
		version int
		body    string
	}{
		{"vault:v1:abc", 1, "abc"},
		{"vault:v120:a:b", 120, "a:b"},
		{"vault:v2147483647:x", 2147483647, "x"},
		{"vault:v2147483648:x", 0, ""},
		{"vault:v4294967297:x", 0, ""},
		{"vault:v99999999999999999999999:x", 0, ""},
		{"vault:v0:abc", 0, ""},
		{"vault:v01:abc", 0, ""},
		{"vault:v-1:abc", 0, ""},
		{"vault:v+1:abc", 0, ""},
		{"vault:v1a:abc", 0, ""},
		{"vault:v:abc", 0, ""},
		{"vault:v1:", 0, ""},
		{"vault:v1", 0, ""},
		{"vault:v", 0, ""},
		{"", 0, ""},
		{"v1:abc", 0, ""},
		{"VAULT:v1:abc", 0, ""},
	} {
		version, body, ok := transit.Split([]byte(row.text))
		if version != row.version || string(body) != row.body || ok != (row.version > 0) {
			t.Errorf("%q: version %d, body %q, %t; want version %d, body %q", row.text, version, body, ok, row.version, row.body)
		}
	}
}

func TestWhatIsJoinedIsSplitAgain(t *testing.T) {
	for _, version := range []int{1, 9, 10, transit.MaxVersion} {
		got, body, ok := transit.Split(transit.Join(version, "abc="))
		if got != version || string(body) != "abc=" || !ok {
			t.Errorf("version %d: got %d, %q, %t", version, got, body, ok)
		}
	}
}
