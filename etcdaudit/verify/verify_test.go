package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apiserver/pkg/storage/value"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestKMSv2ValuesAreOpenedOrNamedWithTheReason(t *testing.T) {
	annotations := map[string][]byte{"a.example": []byte("1"), "b.example": []byte("2")}
	beginning := verify.Result{Outcome: verify.Damaged, Why: "its DEK source opens: its first bytes, or the DEK source beside it, are not its own"}
	for name, seed := range map[string]bool{"seed": true, "key": false} {
		t.Run(name, func(t *testing.T) {
			p := newPlugin(t, 1, "k1", annotations)
			server, another := p.apiServer(t, seed), p.apiServer(t, seed)
			etcdKey := keyOf("default", "db")
			stored := write(t, server, etcdKey, secret(t, "default", "db"))
			otherSource := write(t, another, etcdKey, secret(t, "default", "db"))
			foreign := write(t, newPlugin(t, 2, "k1", annotations).apiServer(t, seed), etcdKey, secret(t, "default", "db"))
			for what, tc := range map[string]struct {
				etcdKey string
				stored  []byte
				want    verify.Result
			}{
				"as it was written":         {etcdKey, stored, verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
				"with another DEK source":   {etcdKey, otherSource, verify.Result{Outcome: verify.Opened, Identity: verify.Same}},
				"another plugin's":          {etcdKey, foreign, verify.Result{Outcome: verify.WrongKey, Why: "does not authenticate"}},
				"copied to another name":    {keyOf("default", "db2"), stored, verify.Result{Outcome: verify.Moved, From: etcdKey, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "default", Name: "db"}}},
				"copied to another place":   {"/registry/configmaps/default/db", stored, verify.Result{Outcome: verify.Moved, From: etcdKey, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "default", Name: "db"}}},
				"restored elsewhere":        {"/kubernetes.io/secrets/default/db", stored, verify.Result{Outcome: verify.Moved, From: etcdKey, Identity: verify.Same}},
				"under no resource":         {"/somewhere", stored, verify.Result{Outcome: verify.Moved, From: etcdKey}},
				"from a place that no name": {keyOf("default", "db"), write(t, server, "/elsewhere/secrets/default/db", secret(t, "default", "db")), verify.Result{Outcome: verify.Damaged}},
				"the last byte changed": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedData[len(o.EncryptedData)-1] ^= 1
				}), verify.Result{Outcome: verify.Damaged}},
				"a byte of the password changed": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedData[len(o.EncryptedData)-40] ^= 1
				}), verify.Result{Outcome: verify.Damaged}},
				"cut": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedData = o.EncryptedData[:len(o.EncryptedData)-20]
				}), verify.Result{Outcome: verify.Damaged}},
				"the first byte changed": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedData[0] ^= 1
				}), beginning},
				"a byte of the nonce changed": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedData[map[bool]int{true: 32, false: 0}[seed]+11] ^= 1
				}), beginning},
				"the DEK source of another": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedDEKSource = testkit.Must(p.Encrypt(t.Context(), "", make([]byte, 32)))(t).Ciphertext
				}), beginning},
				"a DEK source that is no key": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) {
					o.EncryptedDEKSource = testkit.Must(p.Encrypt(t.Context(), "", make([]byte, 31)))(t).Ciphertext
				}), verify.Result{Outcome: verify.WrongKey, Why: map[bool]string{
					true:  "what it opens to is no data key: a seed of 31 bytes, of which it needs at least 32",
					false: "what it opens to is no data key: a data key of 31 bytes, which is no size of an AES key",
				}[seed]}},
				"no key_id": {etcdKey, change(t, stored, func(o *kmstypes.EncryptedObject) { o.KeyID = "" }), verify.Result{Outcome: verify.Damaged, Why: "key_id is empty"}},
				"another object": {etcdKey, write(t, server, etcdKey, secret(t, "default", "admin")), verify.Result{
					Outcome: verify.Opened, Identity: verify.Differs, Holds: verify.Object{Kind: "Secret", Namespace: "default", Name: "admin"},
				}},
				"no object": {etcdKey, write(t, server, etcdKey, []byte(canary)), verify.Result{Outcome: verify.NoObject}},
			} {
				o, _ := opener(t, p)
				got := open(t, o, tc.etcdKey, tc.stored)
				got.Source = verify.ID{}
				if got != tc.want {
					t.Errorf("%s: %+v, want %+v", what, got, tc.want)
				}
				// The API server opens it exactly where we do.
				out, _, err := server.TransformFromStorage(t.Context(), tc.stored, value.DefaultContext(tc.etcdKey))
				if theirs, ours := err == nil, got.Outcome == verify.Opened || got.Outcome == verify.NoObject; theirs != ours {
					t.Errorf("%s: %v, the API server: %d bytes, %v", what, got.Outcome, len(out), err)
				}
			}
		})
	}
}

// What stands beside a DEK source was changed: shown by another value with the same
// source, whichever comes first.
func TestChangedAnnotationsAreShownByOthersOfTheSameSource(t *testing.T) {
	p := newPlugin(t, 1, "k1", map[string][]byte{"a.example": []byte("1")})
	server, etcdKey := p.apiServer(t, true), keyOf("default", "db")
	good := write(t, server, etcdKey, secret(t, "default", "db"))
	for what, changed := range map[string][]byte{
		"annotation": change(t, good, func(o *kmstypes.EncryptedObject) { o.Annotations["a.example"] = []byte("2") }),
		"key_id":     change(t, good, func(o *kmstypes.EncryptedObject) { o.KeyID = "k2" }),
	} {
		for _, order := range [][][]byte{{good, changed}, {changed, good}} {
			o, sources := opener(t, p)
			failed := map[verify.ID]bool{}
			for _, stored := range order {
				if r := open(t, o, etcdKey, stored); r.Outcome == verify.WrongKey {
					failed[r.Source] = true
				}
			}
			if got := sources.Changed(); len(got) != 1 || len(failed) != 1 || !failed[got[0]] {
				t.Errorf("%s: %d of %d failed ones are found changed", what, len(got), len(failed))
			}
		}
		o, sources := opener(t, p)
		open(t, o, etcdKey, changed)
		if got := sources.Changed(); len(got) != 0 {
			t.Errorf("%s: called changed without proof", what)
		}
	}
}

// One request for each distinct source, however its annotations are ordered, by
// however many goroutines it is met at once.
func TestEachSourceIsUnwrappedOnce(t *testing.T) {
	annotations := map[string][]byte{}
	for i := range 8 {
		annotations[fmt.Sprintf("a%d.example", i)] = []byte{byte(i)}
	}
	p := newPlugin(t, 1, "k1", annotations)
	const servers, values, workers = 100, 20, 8
	type item struct{ key, value []byte }
	var items []item
	orders := map[string]bool{}
	for range servers {
		server := p.apiServer(t, true)
		for i := range values {
			name := fmt.Sprintf("db-%d", i)
			stored := write(t, server, keyOf("default", name), secret(t, "default", name))
			order := ""
			for k := range storedvalue.Parse(stored).Annotations() {
				order += string(k)
			}
			orders[order] = true
			items = append(items, item{[]byte(keyOf("default", name)), stored})
		}
	}
	if len(orders) < 2 {
		t.Fatal("the annotations always have one order: the test proves little")
	}
	sources := verify.NewSources(p)
	defer sources.Clear()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			o := verify.New(verify.Config{Sources: sources})
			defer o.Clear()
			for i := range items { // each worker begins elsewhere
				it := items[(i*values+w*7)%len(items)]
				if r := o.Open(context.Background(), it.key, it.value); r.Outcome != verify.Opened || r.Identity != verify.Same {
					t.Errorf("%+v", r)
					return
				}
			}
		})
	}
	all.Wait()
	for _, it := range items {
		o := verify.New(verify.Config{Sources: sources})
		if r := o.Open(t.Context(), it.key, it.value); r.Outcome != verify.Opened {
			t.Errorf("%+v", r)
		}
		o.Clear()
	}
	if len(p.asked) != servers || sources.Len() != servers {
		t.Errorf("%d requests for %d sources, counted as %d", len(p.asked), servers, sources.Len())
	}
}

func TestASourceThatDoesNotOpenIsAskedForOnceToo(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	server := p.apiServer(t, true)
	p.fails = errors.New("no answer within 3s")
	o, _ := opener(t, p)
	for i := range 10 {
		name := fmt.Sprint(i)
		r := open(t, o, keyOf("default", name), write(t, server, keyOf("default", name), secret(t, "default", name)))
		if r.Outcome != verify.NotEvaluated || r.Why != "no answer within 3s" {
			t.Errorf("%+v", r)
		}
	}
	if len(p.asked) != 1 {
		t.Errorf("asked %d times", len(p.asked))
	}
}

func TestWhatIsNotEncryptedOrCannotBeEvaluated(t *testing.T) {
	o, _ := opener(t, nil)
	p := newPlugin(t, 1, "k1", nil)
	for what, tc := range map[string]struct {
		etcdKey, stored string
		outcome         verify.Outcome
		identity        verify.Identity
	}{
		"plaintext":               {keyOf("default", "db"), string(secret(t, "default", "db")), verify.Opened, verify.Same},
		"plaintext of another":    {keyOf("default", "db"), string(secret(t, "default", "db2")), verify.Opened, verify.Differs},
		"another namespace":       {keyOf("default", "db"), string(secret(t, "prod", "db")), verify.Opened, verify.Differs},
		"another kind":            {"/registry/configmaps/default/db", string(secret(t, "default", "db")), verify.Opened, verify.Differs},
		"a custom resource":       {"/registry/example.com/widgets/default/db", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"db","namespace":"default"}}`, verify.Opened, verify.SameName},
		"another custom resource": {"/registry/example.com/widgets/default/db", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"db2","namespace":"default"}}`, verify.Opened, verify.Differs},
		"an object without name":  {"/registry/ranges/serviceips", `{"apiVersion":"v1","kind":"RangeAllocation","metadata":{}}`, verify.Opened, verify.Unsaid},
		"cut protobuf":            {keyOf("default", "db"), string(secret(t, "default", "db")[:60]), verify.NoObject, verify.Unsaid},
		"cut JSON":                {"/registry/example.com/widgets/default/db", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"db","namespace":"default"}`, verify.NoObject, verify.Unsaid},
		"no encoding":             {keyOf("default", "db"), canary, verify.NoObject, verify.Unsaid},
		"kms v1":                  {keyOf("default", "db"), "k8s:enc:kms:v1:p:\x00\x01x" + canary + canary, verify.NotEvaluated, verify.Unsaid},
		"an unknown provider":     {keyOf("default", "db"), "k8s:enc:rot13:v1:" + canary, verify.NotEvaluated, verify.Unsaid},
		"kms v2 without a plugin": {keyOf("default", "db"), string(write(t, p.apiServer(t, true), keyOf("default", "db"), secret(t, "default", "db"))), verify.NotEvaluated, verify.Unsaid},
	} {
		r := open(t, o, tc.etcdKey, []byte(tc.stored))
		if r.Outcome != tc.outcome || r.Identity != tc.identity || (r.Outcome == verify.NotEvaluated || strings.HasPrefix(what, "cut ")) != (r.Why != "") {
			t.Errorf("%s: %+v", what, r)
		}
	}
	kinds := verify.New(verify.Config{Kinds: map[string]string{"example.com/widgets": "Widget"}})
	r := open(t, kinds, "/registry/example.com/widgets/db", []byte(`{"apiVersion":"example.com/v1","kind":"Gadget","metadata":{"name":"db"}}`))
	if r.Identity != verify.Differs || r.Holds != (verify.Object{Kind: "Gadget", Name: "db"}) {
		t.Errorf("a kind that was given: %+v", r)
	}
}

func TestEveryOutcomeHasItsOwnText(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range verify.Outcomes() {
		if seen[o.String()] {
			t.Errorf("%q twice", o)
		}
		seen[o.String()] = true
	}
}

// slow takes a second for each source.
type slow struct{ *plugin }

func (s slow) Unwrap(ctx context.Context, source verify.Source) ([]byte, error) {
	time.Sleep(time.Second)
	return s.plugin.Unwrap(ctx, source)
}

func TestOthersWaitForASourceThatIsBeingUnwrapped(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	etcdKey := keyOf("default", "db")
	stored := write(t, p.apiServer(t, true), etcdKey, secret(t, "default", "db"))
	synctest.Test(t, func(t *testing.T) {
		sources := verify.NewSources(slow{p})
		defer sources.Clear()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				o := verify.New(verify.Config{Sources: sources})
				defer o.Clear()
				if r := o.Open(t.Context(), []byte(etcdKey), stored); r.Outcome != verify.Opened {
					t.Errorf("%+v", r)
				}
			})
		}
		all.Wait()
	})
	if len(p.asked) != 1 {
		t.Errorf("asked %d times", len(p.asked))
	}
}

// What a wrong key makes of a ciphertext is noise, and is not taken for the
// beginning of an object: that would be a value of which the end alone was changed.
func TestNoiseIsNotTakenForAnObject(t *testing.T) {
	p := newPlugin(t, 1, "k1", nil)
	etcdKey := keyOf("default", "db")
	stored := write(t, p.apiServer(t, true), etcdKey, secret(t, "default", "db"))
	o, _ := opener(t, p)
	for n := range 1 << 12 {
		noise := change(t, stored, func(object *kmstypes.EncryptedObject) {
			object.EncryptedData[0], object.EncryptedData[1] = object.EncryptedData[0]^byte(n)^1, object.EncryptedData[1]^byte(n>>8)
		})
		if bytes.Equal(noise, stored) {
			continue
		}
		if r := open(t, o, etcdKey, noise); r.Outcome != verify.Damaged || r.Why == "" {
			t.Fatalf("%d: %+v", n, r)
		}
	}
}
