package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// EnableAuth mounts an auth method at a path of its own, which ends in name.
func EnableAuth(t testing.TB, vault *cluster.Vault, method, name string) (mount string) {
	t.Helper()
	mount = method + "-" + name
	testkit.Check(t, vault.Client().Sys().EnableAuthWithOptionsWithContext(t.Context(), mount, &api.EnableAuthOptions{Type: method}))
	return mount
}

// Wrap has Vault wrap what it answers to path, and returns the wrapping token.
func Wrap(t testing.TB, vault *cluster.Vault, path string) string {
	t.Helper()
	client, err := vault.Client().CloneWithHeaders()
	testkit.Check(t, err)
	client.SetToken(vault.RootToken())
	client.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	secret, err := client.Logical().WriteWithContext(t.Context(), path, nil)
	testkit.Check(t, err)
	return secret.WrapInfo.Token
}

// TokenFile returns a file that holds token.
func TokenFile(t testing.TB, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	testkit.Check(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	return file
}

// SignJWT signs claims as an issuer of the test's own would.
func SignJWT(t testing.TB, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	payload, err := json.Marshal(claims)
	testkit.Check(t, err)
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(payload)
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	testkit.Check(t, err)
	return signed + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// NewJWTKey returns a key for SignJWT, and its public half in PEM.
func NewJWTKey(t testing.TB) (key *ecdsa.PrivateKey, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.Check(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	testkit.Check(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
