package keyring_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	upstream "k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/drift"
	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/apiresource"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

const (
	etcdKey = "/registry/secrets/default/db"
	object  = "k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x02{}"
)

func secrets() apiresource.Resource { return apiresource.Of("secrets") }

// configFile writes an EncryptionConfiguration for Secrets.
func configFile(t testing.TB, providers ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "encryption.yaml")
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - " +
		strings.Join(providers, "\n  - ") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// provider is one of aescbc, aesgcm and secretbox; a key is made of its number.
func provider(kind string, keys ...namedKey) string {
	var list []string
	for _, k := range keys {
		list = append(list, fmt.Sprintf("{name: %q, secret: %s}", k.name, base64.StdEncoding.EncodeToString(k.secret())))
	}
	return kind + ": {keys: [" + strings.Join(list, ", ") + "]}"
}

type namedKey struct {
	name   string
	number byte
}

func (k namedKey) secret() []byte { return bytes.Repeat([]byte{k.number}, 32) }

// apiServer is what an API server with this file reads and writes Secrets with.
func apiServer(t testing.TB, file string) value.Transformer {
	t.Helper()
	c, err := upstream.LoadEncryptionConfig(t.Context(), file, false, "")
	if err != nil {
		t.Fatal(err)
	}
	return upstream.StaticTransformers(c.Transformers).TransformerForResource(schema.GroupResource{Resource: "secrets"})
}

func judge(t testing.TB, file string, key, stored []byte) drift.Verdict {
	t.Helper()
	var keys keyring.Keyring
	defer keys.Clear()
	c, err := encryptionconfig.LoadWithKeys(file, keys.Opener)
	if err != nil {
		t.Fatal(err)
	}
	rule, ok := c.For(secrets())
	if !ok {
		t.Fatal("no rule for Secrets")
	}
	return drift.Of(rule, key, storedvalue.Parse(stored))
}

// Files and values are put together at random from few names and keys, so that
// names repeat, begin alike and contain colons. The API server's own
// transformers decide: what they can read, and whether they would write it anew.
func TestTheAPIServersTransformersAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	someProvider := func() string {
		var keys []namedKey
		for range 1 + random.IntN(3) {
			keys = append(keys, namedKey{pick("a", "a:", "a:b", "a:b:c", "b", "a:2026-03-09T09:46:54+01:00", "a:2026-03-09T09:12:03+01:00"), byte(random.IntN(3))})
		}
		return provider(pick("aescbc", "aesgcm", "secretbox"), keys...)
	}
	someFile := func() string {
		providers := []string{someProvider()}
		for range random.IntN(3) {
			providers = append(providers, someProvider())
		}
		if random.IntN(2) == 0 {
			at := random.IntN(len(providers) + 1)
			providers = append(providers[:at:at], append([]string{"identity: {}"}, providers[at:]...)...)
		}
		return configFile(t, providers...)
	}
	read, stale, failed := 0, 0, 0
	for i := range 900 {
		writer, reader := someFile(), someFile()
		if i%3 == 0 {
			writer = reader
		}
		stored, err := apiServer(t, writer).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
		if err != nil {
			t.Fatal(err)
		}
		out, theirsStale, err := apiServer(t, reader).TransformFromStorage(t.Context(), stored, value.DefaultContext(etcdKey))
		readable := err == nil && bytes.Equal(out, []byte(object))
		verdict := judge(t, reader, []byte(etcdKey), stored)
		if ours := verdict.Drift < drift.UnreadablePlaintext; verdict.Drift == drift.Unjudged || ours != readable {
			text, _ := os.ReadFile(reader)
			t.Errorf("%q, the API server reads it: %v\n%q\n%s", verdict.Drift, readable, stored, text)
		}
		if !readable {
			failed++
			continue
		}
		read++
		if theirsStale {
			stale++
		}
		if ours := verdict.Drift != drift.AsConfigured; ours != theirsStale {
			text, _ := os.ReadFile(reader)
			t.Errorf("%q, the API server would write it anew: %v\n%q\n%s", verdict.Drift, theirsStale, stored, text)
		}
		if encrypted := bytes.HasPrefix(stored, []byte("k8s:enc:")); encrypted != verdict.Opened {
			t.Errorf("opened: %v, encrypted: %v", verdict.Opened, encrypted)
		}
	}
	if read < 100 || stale < 50 || failed < 100 {
		t.Errorf("%d read, %d of them stale, %d failed: the comparison proves little", read, stale, failed)
	}
}

// A wrong aescbc key leaves a padding that looks right once in 256 times. The
// API server then takes it for the right one and fails on what comes out, even
// where the right key comes next.
func TestAPaddingThatIsRightByChanceProvesNothing(t *testing.T) {
	right := configFile(t, provider("aescbc", namedKey{"k", 1}))
	wrong := configFile(t, provider("aescbc", namedKey{"k", 2}))
	both := configFile(t, provider("aescbc", namedKey{"k", 2}, namedKey{"k", 1}))
	writer, mistaken, hasBoth := apiServer(t, right), apiServer(t, wrong), apiServer(t, both)
	for range 100_000 {
		stored, err := writer.TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := mistaken.TransformFromStorage(t.Context(), stored, value.DefaultContext(etcdKey)); err != nil {
			continue
		}
		if got := judge(t, wrong, []byte(etcdKey), stored); got.Drift != drift.UnreadableMistaken || got.Opened {
			t.Errorf("the wrong key: %q", got.Drift)
		}
		if out, _, err := hasBoth.TransformFromStorage(t.Context(), stored, value.DefaultContext(etcdKey)); err != nil || bytes.Equal(out, []byte(object)) {
			t.Fatalf("the API server tries the next key: %q, %v", out, err)
		}
		if got := judge(t, both, []byte(etcdKey), stored); got.Drift != drift.UnreadableMistaken {
			t.Errorf("the wrong key before the right one: %q", got.Drift)
		}
		first := configFile(t, provider("aescbc", namedKey{"k", 1}, namedKey{"k", 2}))
		if got := judge(t, first, []byte(etcdKey), stored); got.Drift != drift.AsConfigured {
			t.Errorf("the right key before the wrong one: %q", got.Drift)
		}
		return
	}
	t.Fatal("no padding was right by chance")
}

func TestTheKeyInEtcdIsBoundByAESGCMAlone(t *testing.T) {
	for kind, bound := range map[string]bool{"aesgcm": true, "aescbc": false, "secretbox": false} {
		file := configFile(t, provider(kind, namedKey{"k", 1}))
		stored, err := apiServer(t, file).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
		if err != nil {
			t.Fatal(err)
		}
		if got := judge(t, file, []byte(etcdKey), stored); got.Drift != drift.AsConfigured {
			t.Errorf("%s: %q", kind, got.Drift)
		}
		if got := judge(t, file, []byte(etcdKey+"2"), stored); (got.Drift == drift.UnreadableKey) != bound {
			t.Errorf("%s copied to another place: %q", kind, got.Drift)
		}
	}
}

func TestDamageIsNotOpened(t *testing.T) {
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		file := configFile(t, provider(kind, namedKey{"k", 1}))
		stored, err := apiServer(t, file).TransformToStorage(t.Context(), []byte(object), value.DefaultContext(etcdKey))
		if err != nil {
			t.Fatal(err)
		}
		for n := range stored {
			if got := judge(t, file, []byte(etcdKey), stored[:n]); got.Opened && kind != "aescbc" {
				t.Errorf("%s: %d of %d bytes are opened", kind, n, len(stored))
			}
		}
		damaged := bytes.Clone(stored)
		damaged[len(damaged)-17] ^= 1 // aescbc: of the block before the last, and so of the padding
		if got := judge(t, file, []byte(etcdKey), damaged); got.Opened {
			t.Errorf("%s: a damaged value is opened", kind)
		}
	}
}
