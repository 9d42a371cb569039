package term_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/term"
)

func TestNoPasswordOfAURLIsShown(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"https://192.0.2.10:2379":              "https://192.0.2.10:2379",
		"/events#http://a:2379":                "/events#http://a:2379",
		"user@node":                            "user@node",
		"https://root:hunter2@192.0.2.10:2379": "https://xxxxx@192.0.2.10:2379",
		"https://a:2379,https://root:hunter2@b:2379":           "https://a:2379,https://xxxxx@b:2379",
		"https://root:hunter2@a:2379,https://b:2379":           "https://xxxxx@a:2379,https://b:2379",
		"https://root:h/u@n,t?e#r2@a:2379, plaintext":          "https://xxxxx@a:2379, plaintext",
		"/events#http://u:p@a:2379;http://u:p@b:2379 and more": "/events#http://xxxxx@a:2379;http://xxxxx@b:2379 and more",
	} {
		if got := term.Redacted(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
