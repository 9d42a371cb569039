package client

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/vaulttest"
)

const unknownCredentials = "Vault does not know the role-id, or not this secret-id"

// TestAnExpiredSecretIDDoesNotLockTheRoleOut is about what Vault does by default
// after five logins with a secret-id that it does not know.
func TestAnExpiredSecretIDDoesNotLockTheRoleOut(t *testing.T) {
	f := newFixture(t, nil)
	c, obs := f.client()
	must(t, reads(t, c))
	old, err := os.ReadFile(f.cfg.Auth.SecretIDFile)
	must(t, err)
	secretIDPath := "auth/approle/role/" + f.role.Name + "/secret-id"
	f.write(secretIDPath+"/destroy", map[string]any{"secret_id": string(old)})

	for range 100 { // as often as the tokenManager may ask, without its pauses
		_, err := c.tokens.auth.login(t.Context())
		failed(t, err, backend.Credentials, unknownCredentials)
		if !strings.Contains(err.Error(), "not offered again before") {
			t.Fatalf("does not say when it is tried again: %v", err)
		}
	}
	if n := obs.count(opLogin); n != 2 {
		t.Errorf("%d logins, want the good one and a refused one", n)
	}
	must(t, f.vault.RenewSecretID(t.Context(), f.role))
	if _, err := c.tokens.auth.login(t.Context()); err != nil {
		t.Errorf("the new secret-id is refused: %v", err)
	}

	// The premise: five of them, and the right one is refused as well.
	role := map[string]any{"role_id": f.role.RoleID, "secret_id": string(old)}
	for range 5 {
		if _, err := f.root().WriteWithContext(t.Context(), "auth/approle/login", role); err == nil {
			t.Fatal("a destroyed secret-id is accepted")
		}
	}
	if _, err := c.tokens.auth.login(t.Context()); err == nil {
		t.Error("Vault no longer locks roles out: this test, and what it is about, can go")
	}
}

func TestCredentialsThatVaultDoesNotKnowAreSeldomOfferedAgain(t *testing.T) {
	o := newOffers(t)
	o.auth.offered.paths = nil // changes of files are not what is tested here
	o.auth.cfg.RoleIDFile, o.auth.cfg.RoleID = "", "role"
	o.answer = errUnknownID
	o.tries(1, "a secret-id that never served")
	o.clock = o.clock.Add(newAgain)
	o.tries(1, "a minute later: it may have been too new")
	o.clock = o.clock.Add(2 * newAgain)
	o.tries(0, "after that it is hopeless")
	o.clock = o.clock.Add(unknownAgain)
	o.tries(1, "an hour later")
	o.answer = nil
	o.write(o.cfg.SecretIDFile, "second")
	o.tries(5, "another one")
	o.answer = errUnknownID
	o.tries(1, "one that has served, and expired")
	o.clock = o.clock.Add(2 * newAgain)
	o.tries(0, "it does not come back")
	o.auth.cfg.RoleID = "another"
	o.tries(1, "another role-id")
	o.answer = &backend.Error{Class: backend.Credentials, Err: &answerError{status: 403, text: "permission denied"}}
	o.write(o.cfg.SecretIDFile, "third")
	o.tries(5, "what does not count towards a lockout is asked at the tokenManager's own pace")
}

// TestASecretIDIsNotRepeatedFromVaultsAnswers uses a fake: Vault 1.21 quotes the
// secret-id to a login that another one overtakes between two of its locks, which
// no test can bring about.
func TestASecretIDIsNotRepeatedFromVaultsAnswers(t *testing.T) {
	noLeaks(t)
	const secretID = "d8ad7c54-0b7e-4a1f-9a0e-1f8c7f2f6c11"
	cfg := fakeConfig(t, vaulttest.FakeNode(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body["secret_id"] != secretID {
			t.Errorf("asked for %s with %v, %v", r.URL.Path, body, err)
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"errors":["invalid secret_id \"%s\""]}`, secretID)
	}))
	must(t, os.WriteFile(cfg.Auth.SecretIDFile, []byte(secretID), 0o600))
	c, log := logged(t, cfg, slog.LevelInfo)
	err := reads(t, c)
	c.Close() // nothing is logged after it
	failed(t, err, backend.Credentials, "Vault refuses the login")
	for what, text := range map[string]string{"error": err.Error(), "log": log.String()} {
		if strings.Contains(text, secretID) || !strings.Contains(text, "(left out)") {
			t.Errorf("the %s shows it, or nothing at all: %s", what, text)
		}
	}
}

func TestCredentialsAreTakenOutOfVaultsWords(t *testing.T) {
	const secret = `can"ary`
	a := parseAnswer(400, nil, []byte(`{"errors":["invalid secret_id \"can\\\"ary\" and can\"ary of role"]}`), nil)
	for _, field := range []string{"secret_id", "jwt", "token"} {
		got := a.cause(map[string]string{field: secret, "role": "role"}).Error()
		if want := `HTTP status 400: invalid secret_id "(left out)" and (left out) of role`; got != want {
			t.Errorf("%s: %s", field, got)
		}
	}
}
