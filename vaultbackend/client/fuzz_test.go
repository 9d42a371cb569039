package client

import (
	"errors"
	"testing"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// FuzzAnswers throws any answer that a server could send at all that reads answers:
// nothing may panic, and no failure may be taken for a refusal unless Vault's own
// words are in it.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"data":{"ttl":3600}}`))
	f.Add(200, []byte(`{"auth":{"client_token":"t"}}`))
	f.Add(400, []byte(`{"errors":["invalid role or secret ID"]}`))
	f.Add(403, []byte(`{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`))
	f.Add(404, []byte(`{"errors":[]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := parseAnswer(status, nil, body, nil)
		for _, op := range []Operation{opReadKey, opOther, opLogin, opLookup, opRenew, opUnwrap, opRevoke} {
			m := classify(of(op), a)
			if m.Class != 0 && m.Reason == "" {
				t.Errorf("%s: class %v without a reason", op, m.Class)
			}
			if m.Class == backend.Refusal && (op.isAuth() || status >= 500) {
				t.Errorf("%s with status %d is taken for a refusal", op, status)
			}
			if m.Class == backend.Refusal && status == 403 && op == opReadKey && !errors.Is(m.Mark, errUnproven) {
				t.Errorf("%s: a 403 alone is taken for a refusal", op)
			}
		}
		if m := proven(a, nil); m.Class == backend.Refusal && (status < 200 || status > 299) {
			t.Errorf("a look-up with status %d proves a token", status)
		}
		_ = a.cause(nil).Error()
		_, _ = parseAuth(a, "log in")
	})
}
