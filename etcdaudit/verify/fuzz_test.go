package verify_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/keyring"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
	"github.com/sealproof/sealproof/test/testkit"
)

// Nothing in etcd makes opening it panic, show a plaintext, or be called opened where
// its key was not asked.
func FuzzOpen(f *testing.F) {
	p := newPlugin(f, 1, "k1", map[string][]byte{"a.example": []byte("1")})
	etcdKey := keyOf("default", "db")
	var keys []*keyring.Key
	for _, kind := range []string{"aescbc", "aesgcm", "secretbox"} {
		var ring keyring.Keyring
		testkit.Must(encryptionconfig.LoadWithKeys(configFile(f, kind, "a:1", "b:2"), ring.Opener))(f)
		keys = append(keys, ring.Keys()...)
		f.Add([]byte(etcdKey), write(f, server(f, kind, "a:1"), etcdKey, secret(f, "default", "db")))
		f.Add([]byte(etcdKey), write(f, server(f, kind, "c:3"), etcdKey, secret(f, "default", "db")))
	}
	for _, seed := range []bool{true, false} {
		f.Add([]byte(etcdKey), write(f, p.apiServer(f, seed), etcdKey, secret(f, "default", "db")))
		f.Add([]byte(etcdKey+"2"), write(f, p.apiServer(f, seed), etcdKey, secret(f, "default", "db")))
	}
	f.Add([]byte(etcdKey), secret(f, "default", "db"))
	f.Fuzz(func(t *testing.T, etcdKey, stored []byte) {
		o, sources := opener(t, p)
		r := open(t, o, string(etcdKey), stored)
		if named := verify.New(verify.Config{Sources: sources, Keys: keys}); named.Open(t.Context(), etcdKey, stored).Outcome < r.Outcome && r.Outcome == verify.Opened {
			t.Errorf("more keys open less: %+v", r)
		}
		if r.Identity != verify.Differs && r.Holds != (verify.Object{}) {
			t.Errorf("%+v", r)
		}
		if (r.Outcome == verify.Moved) != (r.From != "") {
			t.Errorf("%+v", r)
		}
	})
}
