package transitkey_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/transitkey"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/testkit"
)

// fakeTransit is a Transit key: one AES key for each version.
type fakeTransit struct {
	aead    cipher.AEAD
	minimum int
	away    bool
	asked   int
}

func newTransit(t *testing.T, key byte) *fakeTransit {
	t.Helper()
	block := testkit.Must(aes.NewCipher(bytes.Repeat([]byte{key}, 32)))(t)
	return &fakeTransit{aead: testkit.Must(cipher.NewGCMWithRandomNonce(block))(t)}
}

func (f *fakeTransit) wrap(plaintext, data []byte) []byte {
	return transit.Join(2, base64.StdEncoding.EncodeToString(f.aead.Seal(nil, nil, plaintext, data)))
}

func (f *fakeTransit) Decrypt(_ context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	f.asked++
	if f.away {
		return nil, &backend.Error{Class: backend.Outage, Op: "decrypt with transit/keys/k", Reason: "Vault is sealed", Err: errors.New("hvs.canary")}
	}
	version, body, _ := transit.Split(items[0].Ciphertext)
	if version < f.minimum {
		return failed(backend.VersionRefusal, "too old", nil), nil
	}
	raw, data, ok := f.open(body, items[0].AssociatedData)
	switch {
	case raw == nil:
		return failed(backend.Item, "malformed ciphertext", nil), nil
	case !ok:
		return failed(backend.Item, "authentication failed", backend.ErrAuthentication), nil
	default:
		return []backend.Result{{Data: data}}, nil
	}
}

// open returns what the body of a ciphertext decodes to, nil if it is malformed, and
// what that opens to.
func (f *fakeTransit) open(body, data []byte) (raw, plaintext []byte, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(string(body))
	if err != nil {
		return nil, nil, false
	}
	plaintext, err = f.aead.Open(nil, nil, raw, data)
	return raw, plaintext, err == nil
}

func failed(class backend.Class, reason string, err error) []backend.Result {
	return []backend.Result{{Err: &backend.Error{Class: class, Op: "decrypt with transit/keys/k", Reason: reason, Err: err}}}
}

const seed = "0123456789abcdef0123456789abcdef"

// local is a source as "envelope: local" writes it.
func local(t *testing.T, f *fakeTransit, b envelope.Binding, key byte) verify.Source {
	t.Helper()
	raw := bytes.Repeat([]byte{key}, envelope.KEKSize)
	kek := testkit.Must(envelope.NewLocalKEK(raw))(t)
	return sourceOf(kek.Wrap(b, f.wrap(raw, b.WrapData()), []byte(seed)))
}

func sourceOf(s envelope.Stored) verify.Source {
	return verify.Source{Type: 1, DEKSource: s.Ciphertext, KeyID: s.Binding.KeyID, Annotations: s.Annotations()}
}

// with is a source with one annotation set; nil removes it.
func with(s verify.Source, name string, value []byte) verify.Source {
	annotations := map[string][]byte{}
	for k, v := range s.Annotations {
		annotations[k] = v
	}
	annotations[name] = value
	if value == nil {
		delete(annotations, name)
	}
	s.Annotations = annotations
	return s
}

func TestASourceIsUnwrappedOrTheReasonNamed(t *testing.T) {
	f, foreign := newTransit(t, 1), newTransit(t, 2)
	b := envelope.Binding{Cluster: "prod", KeyID: "v2.x"}
	ours := local(t, f, b, 7)
	direct := sourceOf(envelope.Direct(b, f.wrap([]byte(seed), b.DirectData())))
	bare := verify.Source{DEKSource: f.wrap([]byte(seed), nil), KeyID: "1"}
	damaged := ours
	damaged.DEKSource = bytes.Clone(ours.DEKSource)
	damaged.DEKSource[len(damaged.DEKSource)-1] ^= 1
	otherID := ours
	otherID.KeyID = "v3.x"
	directOtherID := direct
	directOtherID.KeyID = "v3.x"
	malformed := bare
	malformed.DEKSource = []byte("vault:v2:???")
	const unknown = verify.NotEvaluated
	for what, tc := range map[string]struct {
		transit  *fakeTransit
		clusters []string
		source   verify.Source
		want     verify.Outcome
		says     string
	}{
		"local":                          {f, nil, ours, verify.Opened, ""},
		"vault":                          {f, nil, direct, verify.Opened, ""},
		"bare":                           {f, nil, bare, verify.Opened, ""},
		"of this cluster":                {f, []string{"prod", "old"}, ours, verify.Opened, ""},
		"of another cluster":             {f, []string{"test"}, ours, verify.OtherCluster, `the cluster "prod"`},
		"bare, of no cluster":            {f, []string{"test"}, bare, verify.Opened, ""},
		"another Transit key's":          {foreign, nil, ours, verify.WrongKey, "authentication failed (key version 2)"},
		"another Transit key's, bare":    {foreign, nil, bare, verify.WrongKey, "authentication failed"},
		"another local key beside it":    {f, nil, with(ours, transit.AnnotationKEK, local(t, f, b, 8).Annotations[transit.AnnotationKEK]), verify.AnnotationsChanged, "holds another local key"},
		"no local key beside it":         {f, nil, with(ours, transit.AnnotationKEK, nil), verify.AnnotationsChanged, "at least one is missing"},
		"no cluster beside it":           {f, nil, with(ours, transit.AnnotationCluster, nil), verify.AnnotationsChanged, "at least one is missing"},
		"what is no local key beside it": {f, nil, with(ours, transit.AnnotationKEK, f.wrap([]byte("short"), b.WrapData())), verify.AnnotationsChanged, "5 bytes"},
		"another cluster beside it":      {f, nil, with(ours, transit.AnnotationCluster, []byte("test")), verify.WrongKey, "authentication failed"},
		"another key_id":                 {f, nil, otherID, verify.WrongKey, "authentication failed"},
		"vault with another key_id":      {f, nil, directOtherID, verify.WrongKey, "authentication failed"},
		"a changed source":               {f, nil, damaged, verify.Damaged, "the DEK source was changed"},
		"what Transit does not parse":    {f, nil, malformed, verify.Refused, "malformed ciphertext"},
		"a retired version":              {&fakeTransit{minimum: 3}, nil, ours, verify.VersionRetired, "too old (key version 2)"},
		"Vault away":                     {&fakeTransit{away: true}, nil, ours, unknown, "Vault is sealed"},
		"another plugin's":               {f, nil, verify.Source{DEKSource: []byte("\x01\x02\x03"), KeyID: "k"}, unknown, "another plugin wrote it"},
	} {
		got, err := transitkey.New(tc.transit, tc.clusters...).Unwrap(t.Context(), tc.source)
		outcome := verify.Opened
		if err != nil {
			outcome = unknown
		}
		if failure, ok := errors.AsType[*verify.UnwrapError](err); ok {
			outcome = failure.Outcome
		}
		if outcome != tc.want || (err == nil) != (string(got) == seed) {
			t.Errorf("%s: %v, want %v: %v", what, outcome, tc.want, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Sources of another plugin, as a store in the middle of a migration has them, say nothing of
// whether Vault answers.
func TestSourcesOfAnotherPluginAreNoSilence(t *testing.T) {
	f := newTransit(t, 1)
	p := verify.Paced("transit/k", transitkey.New(f), verify.Pace{PerSecond: 1000, GiveUp: 3}, slog.New(slog.DiscardHandler))
	for i := range 10 {
		_, err := p.Unwrap(t.Context(), verify.Source{DEKSource: []byte{1, byte(i)}, KeyID: "arn"})
		if err == nil || !strings.Contains(err.Error(), "another plugin wrote it") {
			t.Errorf("%d: %v", i, err)
		}
	}
	got, err := p.Unwrap(t.Context(), local(t, f, envelope.Binding{Cluster: "prod", KeyID: "v2.x"}, 7))
	if asked := p.Asked(); err != nil || string(got) != seed || asked.Unanswered != 0 || asked.Opened != 1 {
		t.Errorf("%v, %+v", err, asked)
	}
}

func TestALocalKEKIsAskedForOnce(t *testing.T) {
	f := newTransit(t, 1)
	b := envelope.Binding{Cluster: "prod", KeyID: "v2.x"}
	raw := bytes.Repeat([]byte{7}, envelope.KEKSize)
	kek := testkit.Must(envelope.NewLocalKEK(raw))(t)
	wrapped := f.wrap(raw, b.WrapData())
	k := transitkey.New(f)
	for range 20 {
		if _, err := k.Unwrap(t.Context(), sourceOf(kek.Wrap(b, wrapped, []byte(seed)))); err != nil {
			t.Fatal(err)
		}
	}
	if f.asked != 1 {
		t.Errorf("asked %d times", f.asked)
	}
	// Held is what was opened under its own binding.
	other := sourceOf(kek.Wrap(envelope.Binding{Cluster: "test", KeyID: "v2.x"}, wrapped, []byte(seed)))
	if _, err := k.Unwrap(t.Context(), other); err == nil {
		t.Error("opened under another cluster's name")
	}
	k.Clear()
	if _, err := k.Unwrap(t.Context(), sourceOf(kek.Wrap(b, wrapped, []byte(seed)))); err != nil || f.asked != 3 {
		t.Errorf("after Clear: asked %d times, %v", f.asked, err)
	}
}
