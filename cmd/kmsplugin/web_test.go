package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/test/testkit"
)

// certificates writes a CA and, signed by it, a certificate for 127.0.0.1 that
// serves either side.
func certificates(t *testing.T) (l listenTLS, ca *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	save := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, caKey.Public(), caKey)
	must(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	must(err)
	l = listenTLS{CertFile: save("cert", "CERTIFICATE", leafDER), KeyFile: save("key", "PRIVATE KEY", keyDER), ClientCAFile: save("ca", "CERTIFICATE", rootDER)}
	ca = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(rootDER)
	must(err)
	ca.AddCert(parsed)
	return l, ca
}

// serveWeb serves "ok" until the test ends.
func serveWeb(t *testing.T, w *web) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func get(t *testing.T, url string, config *tls.Config) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	req := testkit.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestMetricsAreForCallersWithACertificate(t *testing.T) {
	files, ca := certificates(t)
	w := bindWeb(t.Context(), "127.0.0.1:0", files, slog.New(slog.DiscardHandler))
	if w.taken != nil {
		t.Fatal(w.taken)
	}
	url := "https://" + w.listener.Addr().String()
	serveWeb(t, w)
	cert := testkit.Must(tls.LoadX509KeyPair(files.CertFile, files.KeyFile))(t)
	if body, err := get(t, url, &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{cert}}); err != nil || body != "ok" {
		t.Errorf("with a certificate: %q, %v", body, err)
	}
	if body, err := get(t, url, &tls.Config{RootCAs: ca}); err == nil {
		t.Errorf("without one: %q", body)
	}
	other, _ := certificates(t)
	stranger := testkit.Must(tls.LoadX509KeyPair(other.CertFile, other.KeyFile))(t)
	if body, err := get(t, url, &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{stranger}}); err == nil {
		t.Errorf("with a stranger's: %q", body)
	}
	// Replaced files are used by the next connection.
	testkit.Check(t, os.WriteFile(files.KeyFile, []byte("damaged"), 0o600))
	if _, err := get(t, url, &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{cert}}); err == nil {
		t.Error("a damaged key file goes unnoticed")
	}
}

// ownLoopback is any port of an address that no other test uses: a port that is
// closed and bound again cannot be in use meanwhile.
const ownLoopback = "127.87.23.5:0"

func TestAPortThatIsTakenIsServedOnceItIsFree(t *testing.T) {
	var config net.ListenConfig
	taken := testkit.Must(config.Listen(t.Context(), "tcp", ownLoopback))(t)
	w := bindWeb(t.Context(), taken.Addr().String(), listenTLS{}, slog.New(slog.DiscardHandler))
	if w.taken == nil || !strings.Contains(w.taken.Error(), taken.Addr().String()) {
		t.Errorf("the reason is %v", w.taken)
	}
	serveWeb(t, w)
	testkit.Check(t, taken.Close())
	untilServed(t, taken.Addr())
}

// untilServed returns once "ok" is served.
func untilServed(t *testing.T, address net.Addr) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if body, err := get(t, "http://"+address.String(), nil); err == nil && body == "ok" {
			return
		}
	}
	t.Error("never served")
}

// Whatever happens to the listener of health and metrics, keys are served on.
func TestAListenerThatFailsIsBoundAgain(t *testing.T) {
	w := bindWeb(t.Context(), ownLoopback, listenTLS{}, slog.New(slog.DiscardHandler))
	if w.taken != nil {
		t.Fatal(w.taken)
	}
	listener := w.listener
	w.address = listener.Addr().String()
	serveWeb(t, w)
	untilServed(t, listener.Addr())
	if err := listener.Close(); err != nil { // Accept fails from now on
		t.Fatal(err)
	}
	untilServed(t, listener.Addr())
}
