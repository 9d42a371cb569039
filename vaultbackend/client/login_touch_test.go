package client

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// offers is an AppRole login whose Vault is a function, and which counts what it
// is asked. It is fake because it has to refuse for as long as a test wants.
type offers struct {
	t      *testing.T
	cfg    AuthConfig
	auth   *appRole
	login  func() error
	asked  int    // logins that reached Vault
	answer error  // to the next ones; nil accepts
	during func() // done before an answer
	clock  time.Time
	touch  time.Time // the time of the last change of a file
}

var errUnknownID = &backend.Error{Class: backend.Credentials, Err: marked{&answerError{status: 400}, errUnknownLogin}}

func newOffers(t *testing.T, change ...func(*AuthConfig)) *offers {
	t.Helper()
	dir := t.TempDir()
	o := &offers{t: t, during: func() {}, clock: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	o.touch = o.clock
	o.cfg = AuthConfig{Method: MethodAppRole, Mount: "approle", RoleIDFile: filepath.Join(dir, "role-id"), SecretIDFile: filepath.Join(dir, "secret-id")}
	for _, c := range change {
		c(&o.cfg)
	}
	o.write(o.cfg.RoleIDFile, "role")
	o.write(o.cfg.SecretIDFile, "secret")
	a := newAuthenticator(Config{Auth: o.cfg}, o.request, slog.New(slog.NewTextHandler(t.Output(), nil))).(*appRole)
	o.auth, a.now = a, func() time.Time { return o.clock }
	o.login = func() error { _, err := a.login(t.Context()); return err }
	return o
}

// request answers as Vault does to a login, and to the unwrapping of a secret-id.
func (o *offers) request(_ context.Context, op Operation, _, _, _ string, _ any) (Answer, error) {
	switch op {
	case opOrigin:
		return Answer{Data: []byte(`{"creation_path":"auth/approle/role/role/secret-id"}`)}, nil
	case opUnwrap:
		return Answer{Data: []byte(`{"secret_id":"unwrapped"}`)}, nil
	}
	o.asked++
	o.during()
	return Answer{auth: []byte(`{"client_token":"t"}`)}, o.answer
}

// write puts a file in its place by renaming. Each change has a time of its own,
// whatever the file system's clock can tell apart.
func (o *offers) write(path, content string) {
	o.t.Helper()
	must(o.t, os.WriteFile(path+".next", []byte(content), 0o600))
	o.touched(path + ".next")
	must(o.t, os.Rename(path+".next", path))
}

func (o *offers) touched(path string) {
	o.t.Helper()
	o.touch = o.touch.Add(time.Second)
	must(o.t, os.Chtimes(path, o.touch, o.touch))
}

// tries logs in as often as requests may ask, and checks how often Vault was asked.
func (o *offers) tries(want int, what string) {
	o.t.Helper()
	o.asked = 0
	for range 5 {
		if err := o.login(); (err == nil) != (o.answer == nil) {
			o.t.Errorf("%s: %v", what, err)
		}
	}
	if o.asked != want {
		o.t.Errorf("%s: Vault was asked %d times, want %d", what, o.asked, want)
	}
}

func TestATouchedFileIsOneTryMore(t *testing.T) {
	o := newOffers(t)
	o.answer = errUnknownID
	o.tries(1, "a secret-id that Vault does not know")
	o.touched(o.cfg.SecretIDFile)
	o.tries(1, "the secret-id's file is touched")
	o.write(o.cfg.SecretIDFile, "secret")
	o.tries(1, "the same secret-id is written again")
	o.touched(o.cfg.RoleIDFile)
	o.tries(1, "the role-id's file is touched")
	must(t, os.Remove(o.cfg.RoleIDFile))
	o.tries(0, "a file that is gone")
	o.write(o.cfg.RoleIDFile, "role")
	o.tries(1, "it is back")
	o.clock = o.clock.Add(unknownAgain)
	o.tries(1, "an hour has passed")
}

func TestTouchingWithoutEndIsOneTryEachTime(t *testing.T) {
	o := newOffers(t)
	o.answer = errUnknownID
	o.tries(1, "a secret-id that Vault does not know")
	for range 100 {
		o.touched(o.cfg.SecretIDFile)
		o.tries(1, "a touch")
	}
	if err := o.login(); !strings.Contains(err.Error(), "unless its file is replaced or touched") {
		t.Errorf("does not say what to do: %v", err)
	}
}

func TestAFileThatIsTouchedWhileVaultIsAskedIsOneTryMore(t *testing.T) {
	o := newOffers(t)
	o.answer = errUnknownID
	o.during = func() {
		if o.asked == 1 {
			o.touched(o.cfg.SecretIDFile)
		}
	}
	o.tries(2, "touched during the first login")
}

func TestATouchIsNotUsedUpByAnOutage(t *testing.T) {
	o := newOffers(t)
	o.answer = errUnknownID
	o.tries(1, "a secret-id that Vault does not know")
	o.touched(o.cfg.SecretIDFile)
	o.answer = errAway
	o.tries(5, "Vault gives no answer")
	o.answer = errUnknownID
	o.tries(1, "Vault answers again")
}

// TestWhatVaultKnowsAgainIsNoLongerHeldBack is about the next login after one
// that a touch brought about, still within the hour.
func TestWhatVaultKnowsAgainIsNoLongerHeldBack(t *testing.T) {
	o := newOffers(t)
	o.tries(5, "a secret-id that serves")
	o.answer = errUnknownID
	o.tries(1, "the role was deleted")
	o.touched(o.cfg.SecretIDFile)
	o.answer = nil
	o.tries(5, "the role was made again")
	o.answer = errUnknownID
	o.tries(1, "and deleted again")
	o.clock = o.clock.Add(2 * newAgain)
	o.tries(0, "it has served before, so that a minute is not enough")
}

func TestATouchedFileIsOneTryMoreWithAWrappedSecretID(t *testing.T) {
	o := newOffers(t, func(cfg *AuthConfig) {
		cfg.Role, cfg.UnwrappedSecretIDFile = "role", filepath.Join(t.TempDir(), "kept")
	})
	o.answer = errUnknownID
	o.tries(1, "the secret-id that was wrapped")
	o.touched(o.cfg.SecretIDFile)
	o.tries(1, "the wrapping token's file is touched")
	o.touched(o.cfg.UnwrappedSecretIDFile)
	o.tries(1, "the file of the unwrapped secret-id is touched")
	must(t, os.Remove(o.cfg.SecretIDFile))
	o.tries(0, "the wrapping token is taken away: there is nothing new")
	o.write(o.cfg.SecretIDFile, "secret")
	o.answer = nil
	o.tries(5, "it is put back, and Vault knows the secret-id")
	must(t, os.Remove(o.cfg.SecretIDFile))
	o.tries(5, "it is taken away, and Vault still knows the secret-id")
}
