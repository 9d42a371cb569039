package safeurl_test

import (
	"testing"

	"github.com/sealproof/sealproof/internal/safeurl"
)

func TestUserinfoIsTakenOut(t *testing.T) {
	for text, want := range map[string]string{
		"https://root:hunter2@a:1,http://b:2":         "https://a:1,http://b:2",
		"m=https://root:hun/ter@2@a:1":                "m=https://a:1",
		"/secrets#https://u:hunter2@a:1;https://b":    "/secrets#https://a:1;https://b",
		"https://root:%zz@a:1":                        "https://a:1",
		"a@b":                                         "a@b",
		"https://root:h/u@n,t?e#r2@a:2379, plaintext": "https://a:2379, plaintext",
	} {
		if got := safeurl.WithoutUserinfo(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
