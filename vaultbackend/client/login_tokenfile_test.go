package client

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestHowLongATokenFromAFileLives has what Vault answers to lookup-self. Vault
// rounds down: a TTL of 0 is that of a token without end, and of the last second
// of one that has an end.
func TestHowLongATokenFromAFileLives(t *testing.T) {
	const end = `"expire_time":"2026-11-27T12:00:00Z"`
	for _, row := range []struct {
		name, answer string
		want         grant
	}{
		{"it has no end", `{"ttl":0,"expire_time":null}`, grant{}},
		{"its end is not mentioned", `{"ttl":0}`, grant{}},
		{"it ends within a second", `{"ttl":0,` + end + `}`, grant{ttl: time.Second}},
		{"it has ended by Vault's clock", `{"ttl":-3,` + end + `}`, grant{ttl: time.Second}},
		{"it ends later", `{"ttl":30,` + end + `,"renewable":true}`, grant{ttl: 30 * time.Second, renewable: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			must(t, os.WriteFile(file, []byte("hvs.from-a-file"), 0o600))
			a := newAuthenticator(Config{Auth: AuthConfig{Method: MethodToken, TokenFile: file}},
				func(context.Context, Operation, string, string, string, any) (Answer, error) {
					return Answer{Data: []byte(row.answer)}, nil
				}, slog.New(slog.DiscardHandler))
			got, err := a.login(t.Context())
			must(t, err)
			row.want.token, row.want.lookedUp = "hvs.from-a-file", true
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}
