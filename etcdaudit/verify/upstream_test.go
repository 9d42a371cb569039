package verify_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apiserver/pkg/storage/value"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/testkit"
)

// Values of every provider, changed at random: what the API server's transformers
// open is opened, and nothing else. In aescbc, which authenticates nothing, both
// can see an object in what was changed.
func TestDamageAtRandomIsJudgedAsTheAPIServersTransformersDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := newPlugin(t, 1, "k1", map[string][]byte{"a.example": []byte("1"), "b.example": []byte("22")})
	etcdKey := keyOf("default", "db")
	plaintext := secret(t, "default", "db")
	type provider struct {
		name   string
		key    string // the end of what stands before the ciphertext
		server value.Transformer
		opener *verify.Opener
	}
	var providers []provider
	for name, seed := range map[string]bool{"seed": true, "key": false} {
		o, _ := opener(t, p)
		providers = append(providers, provider{name, ":p:", p.apiServer(t, seed), o})
	}
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		var ring keyring.Keyring
		file := configFile(t, kind, "a:1", "b:2")
		testkit.Must(encryptionconfig.LoadWithKeys(file, ring.Opener))(t)
		providers = append(providers, provider{kind, ":a:", server(t, kind, "a:1", "b:2"), verify.New(verify.Config{Keys: ring.Keys()})})
	}
	for _, provider := range providers {
		stored := write(t, provider.server, etcdKey, plaintext)
		// The name of the provider and of the key decide what an API server tries.
		prefix := bytes.Index(stored, []byte(provider.key)) + len(provider.key)
		opened := 0
		for n := range 2000 {
			changed := slices.Concat(stored[:prefix], changeAtRandom(random, stored[prefix:]))
			r := open(t, provider.opener, etcdKey, changed)
			ours := r.Outcome == verify.Opened
			theirs := opens(t, provider.server, etcdKey, changed)
			if ours {
				opened++
			}
			// What opens with aescbc is an object here, and any bytes there.
			if ours && !theirs || theirs && !ours && provider.name != "aescbc" {
				t.Errorf("%s, %d: %+v, the API server opens it: %v", provider.name, n, r, theirs)
			}
		}
		if opened == 0 || opened == 2000 {
			t.Errorf("%s: %d of 2000 are opened: the comparison proves little", provider.name, opened)
		}
	}
}

// Without authentication, what is said to be a name can be as long as one likes: the lengths of type
// and kind lie in the first block, which whoever writes the value changes by its IV.
func TestALengthThatWasChangedShowsNothingOfTheData(t *testing.T) {
	var ring keyring.Keyring
	testkit.Must(encryptionconfig.LoadWithKeys(configFile(t, "aescbc", "a:1"), ring.Opener))(t)
	o := verify.New(verify.Config{Keys: ring.Keys()})
	etcdKey := keyOf("default", "db")
	stored := write(t, server(t, "aescbc", "a:1"), etcdKey, secret(t, "default", "db"))
	iv := bytes.Index(stored, []byte(":a:")) + len(":a:")
	for outer := 1; outer < 256; outer *= 2 {
		for inner := 1; inner < 256; inner *= 2 {
			changed := bytes.Clone(stored)
			changed[iv+len("k8s\x00\n")] ^= byte(outer)
			changed[iv+len("k8s\x00\n\x0c\n\x02v1\x12")] ^= byte(inner)
			if open(t, o, etcdKey, changed); t.Failed() {
				t.Fatalf("lengths changed by %#x and %#x", outer, inner)
			}
		}
	}
}

// opens reports whether an API server opens a value. Its code panics on an aescbc
// value that is cut behind its first block.
func opens(t *testing.T, server value.Transformer, etcdKey string, stored []byte) (ok bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Logf("the API server panics: %v", r)
		}
	}()
	_, _, err := server.TransformFromStorage(t.Context(), bytes.Clone(stored), value.DefaultContext(etcdKey))
	return err == nil
}

// changeAtRandom changes a few bytes, cuts, inserts or does nothing.
func changeAtRandom(random *rand.Rand, stored []byte) []byte {
	b := bytes.Clone(stored)
	switch random.IntN(8) {
	case 0:
	case 1:
		b = b[:random.IntN(len(b))]
	case 2:
		at := random.IntN(len(b))
		b = slices.Insert(b, at, byte(random.Uint32()))
	case 3:
		at := random.IntN(len(b))
		b = slices.Delete(b, at, at+1)
	default:
		for range 1 + random.IntN(3) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
	}
	return b
}
