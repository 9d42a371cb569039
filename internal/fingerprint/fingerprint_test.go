package fingerprint_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/internal/fingerprint"
	"github.com/sealproof/sealproof/test/testkit"
)

const content = "0123456789abcdef0123456789abcdef"

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	testkit.Check(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// Other programs, and reports of other versions, must come to the same.
func TestAFileGivesTheSameFingerprintsAlways(t *testing.T) {
	k := testkit.Must(fingerprint.FromFile(file(t, content)))(t)
	// printf 0123456789abcdef0123456789abcdef | sha256sum; then openssl mac -digest SHA256 -macopt hexkey:… HMAC
	for got, want := range map[string]string{
		k.Of([]byte("a key")): "10eeb3e419a195a7580400f2e5a35ad9cc978faa7a07d154454c3df74fe45b5b",
		k.Name():              "12b67d9914e3ab19",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestANameIsRelativeToTheWorkingDirectory(t *testing.T) {
	name := file(t, content)
	t.Chdir(filepath.Dir(name))
	if k := testkit.Must(fingerprint.FromFile("key"))(t); k.Name() != testkit.Must(fingerprint.FromFile(name))(t).Name() {
		t.Error("another file was read")
	}
}

func TestEqualKeysHaveEqualFingerprints(t *testing.T) {
	a, b := fingerprint.Random(), fingerprint.Random()
	key := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	other := testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	of := func(k *fingerprint.Key, key *ecdsa.PrivateKey) string {
		return testkit.Must(k.OfPublic(key.Public()))(t)
	}
	again := of(a, key)
	if of(a, key) != again || of(a, key) == of(a, other) || of(a, key) == of(b, key) || a.Name() == b.Name() {
		t.Error("the fingerprint is not that of key and fingerprint key")
	}
	if _, err := a.OfPublic("no key"); err == nil {
		t.Error("a text has a fingerprint")
	}
}

func TestTheKeyIsNotPrinted(t *testing.T) {
	k := testkit.Must(fingerprint.FromFile(file(t, content)))(t)
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k)
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %x %s %d", k, k, k, k, k, k)
	if n := strings.Count(out.String(), "fingerprint key "+k.Name()); n != 7 {
		t.Errorf("%d times its name in %s", n, out.String())
	}
}

func TestWhatIsNoKeyFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	testkit.Check(t, unix.Mkfifo(fifo, 0o600))
	for name, says := range map[string]string{
		file(t, content[:31]): "31 bytes", file(t, strings.Repeat(content, 40000)): "more than 1048576 bytes",
		filepath.Join(dir, "none"): "no such file", fifo: "named pipe", dir: "directory",
	} {
		if _, err := fingerprint.FromFile(name); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), content[:8]) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
}
