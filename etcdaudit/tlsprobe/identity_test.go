package tlsprobe_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestIdentitiesThatCannotBeLoadedSayWhy(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	other := p.issue(t, "other")
	write := func(name, content string) string {
		path := filepath.Join(p.dir, name)
		testkit.Check(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	keyPEM := string(testkit.Must(os.ReadFile(p.client.key))(t))
	block, _ := pem.Decode(testkit.Must(os.ReadFile(p.client.cert))(t))
	encrypted := write("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n")
	legacy := write("legacy.key", "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n")
	fifo := filepath.Join(p.dir, "fifo")
	testkit.Check(t, syscall.Mkfifo(fifo, 0o600))
	for name, c := range map[string]struct{ label, cert, key, want string }{
		"swapped":            {"a", p.client.key, p.client.cert, "swapped"},
		"key in both":        {"a", p.client.cert, p.client.cert, "swapped"},
		"another's key":      {"a", p.client.cert, other.key, "key of another certificate"},
		"encrypted":          {"a", p.client.cert, encrypted, "encrypted"},
		"encrypted, old":     {"a", p.client.cert, legacy, "encrypted"},
		"not PEM":            {"a", write("text", "hello"), p.client.key, "not PEM"},
		"DER":                {"a", write("der", string(block.Bytes)), p.client.key, "DER"},
		"key not PEM":        {"a", p.client.cert, write("raw", "hunter2"), "not PEM"},
		"damaged key":        {"a", p.client.cert, write("cut", strings.Replace(keyPEM, "MI", "AA", 1)), "cannot be read"},
		"missing":            {"a", p.dir + "/nowhere", p.client.key, "no such file"},
		"pipe":               {"a", p.client.cert, fifo, "no regular file"},
		"directory":          {"a", p.dir, p.client.key, "no regular file"},
		"too large":          {"a", write("large", strings.Repeat("a", 2<<20)), p.client.key, "larger than"},
		"a label of our own": {tlsprobe.SelfSigned, p.client.cert, p.client.key, "taken"},
	} {
		_, err := tlsprobe.LoadIdentity(c.label, c.cert, c.key)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "c2VjcmV0")) {
			t.Errorf("%s: a secret in: %v", name, err)
		}
	}
}

func TestAnIdentityHasItsWholeChain(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	chain := append(testkit.Must(os.ReadFile(p.client.cert))(t), testkit.Must(os.ReadFile(p.caFile))(t)...)
	path := filepath.Join(p.dir, "chain.crt")
	testkit.Check(t, os.WriteFile(path, chain, 0o600))
	i := files{path, p.client.key}.identity(t, "apiserver")
	if i.Kind != facts.Given || len(i.Chain) != 2 || i.File != path || !i.Intended() {
		t.Errorf("%+v", i.Identity)
	}
	if _, err := i.Chain[0].Verify(x509.VerifyOptions{Roots: p.pool(t), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	_, err := tlsprobe.Run(t.Context(), tlsprobe.Config{Targets: []tlsprobe.Target{{URL: "https://127.0.0.1:1"}}, Given: []tlsprobe.Identity{i, i}}, nil)
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a label twice: %v", err)
	}
}
