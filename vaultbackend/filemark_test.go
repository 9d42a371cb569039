package vaultbackend

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestATokenFileIsRememberedOnceItsTokenHasServed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put := func(token string) { t.Helper(); must(t, os.WriteFile(file, []byte(token), 0o600)) }
	var refusal error
	a := newAuthenticator(Config{Auth: AuthConfig{Method: MethodToken, TokenFile: file}},
		func(context.Context, operation, string, string, string, any) (answer, error) {
			return answer{data: []byte(`{}`)}, refusal
		}, slog.New(slog.DiscardHandler))
	login := func(want bool) {
		t.Helper()
		if _, err := a.login(t.Context()); (err == nil) != want {
			t.Fatal(err)
		}
	}
	put("first")
	login(true)
	if a.stale() {
		t.Error("nothing has changed")
	}
	put("the-second")
	refusal = errAway
	login(false)
	if !a.stale() {
		t.Error("the second one is forgotten, though it never served")
	}
	must(t, os.Remove(file))
	if a.stale() {
		t.Error("there is nothing better to read")
	}
	put("the-third")
	refusal = nil
	login(true)
	if a.stale() {
		t.Error("it would be used again")
	}
}
