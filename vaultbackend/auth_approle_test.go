package vaultbackend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/test/cluster"
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

	for range 100 { // as often as the keeper may ask, without its pauses
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
	file := filepath.Join(t.TempDir(), "secret-id")
	put := func(secretID string) { t.Helper(); must(t, os.WriteFile(file, []byte(secretID), 0o600)) }
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var refusal error
	asked := 0
	a := &appRole{
		cfg: AuthConfig{RoleID: "role", SecretIDFile: file}, now: func() time.Time { return now },
		request: func(context.Context, operation, string, string, string, any) (answer, error) {
			asked++
			return answer{auth: []byte(`{"client_token":"t"}`)}, refusal
		},
	}
	login := func(want int, what string) {
		t.Helper()
		asked = 0
		for range 3 {
			_, err := a.login(t.Context())
			if (err == nil) != (refusal == nil) {
				t.Errorf("%s: %v", what, err)
			}
			if refusal == nil {
				break
			}
		}
		if asked != want {
			t.Errorf("%s: Vault was asked %d times, want %d", what, asked, want)
		}
	}
	unknown := &backend.Error{Class: backend.Credentials, Err: &answerError{status: 400, text: "invalid role or secret ID"}}

	put("first")
	refusal = unknown
	login(1, "a secret-id that never served")
	now = now.Add(newAgain)
	login(1, "a minute later: it may have been too new")
	now = now.Add(2 * newAgain)
	login(0, "after that it is hopeless")
	now = now.Add(unknownAgain)
	login(1, "an hour later")
	refusal = nil
	put("second")
	login(1, "another one")
	refusal = unknown
	login(1, "one that has served, and expired")
	now = now.Add(2 * newAgain)
	login(0, "it does not come back")
	a.cfg.RoleID = "another"
	login(1, "another role-id")
	refusal = &backend.Error{Class: backend.Credentials, Err: &answerError{status: 403, text: "permission denied"}}
	put("third")
	login(3, "what does not count towards a lockout is asked at the keeper's own pace")
}

// TestASecretIDIsNotRepeatedFromVaultsAnswers has several log in at once with a
// secret-id that is good for one: Vault quotes it to those who are late.
func TestASecretIDIsNotRepeatedFromVaultsAnswers(t *testing.T) {
	f := newFixture(t, nil)
	c, _ := f.client()
	quoted := false
	for deadline := time.Now().Add(time.Minute); !quoted && time.Now().Before(deadline); {
		// A role of its own each time, for this locks it out.
		role, err := f.vault.AppRole(t.Context(), fmt.Sprintf("%s-%d", f.role.Name, time.Now().UnixNano()), cluster.KeyPolicy(f.cfg.Key),
			map[string]any{"secret_id_num_uses": 1})
		must(t, err)
		secretID, err := os.ReadFile(role.SecretIDFile)
		must(t, err)
		errs := make([]error, 32)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = logIn(t.Context(), c.requestAuth, c.cfg.Auth, map[string]string{"role_id": role.RoleID, "secret_id": string(secretID)})
			})
		}
		wg.Wait()
		text := errors.Join(errs...).Error()
		if strings.Contains(text, string(secretID)) {
			t.Fatalf("the secret-id is shown: %s", text)
		}
		quoted = strings.Contains(text, "(left out)")
	}
	if !quoted {
		t.Error("Vault quotes the secret-id no more, or not within a minute")
	}
}

func TestCredentialsAreTakenOutOfVaultsWords(t *testing.T) {
	const secret = `can"ary`
	a := parseAnswer(400, nil, []byte(`{"errors":["invalid secret_id \"can\\\"ary\" and can\"ary of role"]}`))
	for _, field := range []string{"secret_id", "jwt", "token"} {
		got := a.cause(map[string]string{field: secret, "role": "role"}).Error()
		if want := `HTTP status 400: invalid secret_id "(left out)" and (left out) of role`; got != want {
			t.Errorf("%s: %s", field, got)
		}
	}
}
