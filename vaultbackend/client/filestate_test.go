package client

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestATokenFileIsRememberedOnceItsTokenHasServed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put := func(token string) { t.Helper(); must(t, os.WriteFile(file, []byte(token), 0o600)) }
	var refusal error
	a := newAuthenticator(Config{Auth: AuthConfig{Method: MethodToken, TokenFile: file}},
		func(context.Context, Operation, string, string, string, any) (Answer, error) {
			return Answer{Data: []byte(`{}`)}, refusal
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

func TestWhatIsAnotherStateOfAFile(t *testing.T) {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	put := func(t *testing.T, path, content string, at time.Time) {
		t.Helper()
		must(t, os.WriteFile(path, []byte(content), 0o600))
		must(t, os.Chtimes(path, at, at))
	}
	for _, row := range []struct {
		name   string
		change func(t *testing.T, first, second string)
		want   bool
	}{
		{"nothing", func(*testing.T, string, string) {}, false},
		{"it was only read", func(t *testing.T, first, _ string) { _, err := os.ReadFile(first); must(t, err) }, false},
		{"its time", func(t *testing.T, first, _ string) {
			must(t, os.Chtimes(first, at.Add(time.Second), at.Add(time.Second)))
		}, true},
		{"an earlier time", func(t *testing.T, first, _ string) {
			must(t, os.Chtimes(first, at.Add(-time.Hour), at.Add(-time.Hour)))
		}, true},
		{"its length, and not its time", func(t *testing.T, first, _ string) { put(t, first, "longer", at) }, true},
		{"another file of that length and time", func(t *testing.T, first, _ string) {
			put(t, first+".next", "two", at)
			must(t, os.Rename(first+".next", first))
		}, true},
		{"the second of two", func(t *testing.T, _, second string) { put(t, second, "two", at.Add(time.Second)) }, true},
		{"it is gone", func(t *testing.T, first, _ string) { must(t, os.Remove(first)) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
			put(t, first, "one", at)
			put(t, second, "one", at)
			m := fileStates{paths: []string{first, second}}
			m.set(m.look())
			row.change(t, first, second)
			if m.changed() != row.want {
				t.Errorf("changed: %v", !row.want)
			}
		})
	}
}
