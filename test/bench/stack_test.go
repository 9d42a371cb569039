package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

const (
	keyName     = "k8s"
	clusterName = "bench"
)

// stack is Vault (one node, Raft on disk, TLS), a key in it, and a role with the
// plugin's policy.
type stack struct {
	cluster *cluster.Cluster
	vault   *cluster.Vault
	role    cluster.AppRole
}

func newStack(b *testing.B) *stack {
	b.Helper()
	s := &stack{cluster: clustertest.New(b, components.Vault, components.KMSPlugin)}
	var err error
	if s.vault, err = s.cluster.StartVault(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	if err := s.vault.CreateKey(b.Context(), keyName, nil); err != nil {
		b.Fatal(err)
	}
	if s.role, err = s.vault.AppRole(b.Context(), "kmsplugin", cluster.KeyPolicy(keyName), nil); err != nil {
		b.Fatal(err)
	}
	return s
}

// options are those of a plugin with its defaults but for config.
func (s *stack) options(name string, config map[string]any) cluster.PluginOptions {
	return cluster.PluginOptions{Name: name, Vault: s.vault, Role: s.role, Key: keyName, Cluster: clusterName, Config: config}
}

// plugin starts a plugin and waits until it serves.
func (s *stack) plugin(b *testing.B, name string, config map[string]any) *cluster.Plugin {
	b.Helper()
	p, err := s.cluster.StartPlugin(b.Context(), s.options(name, config))
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// rotate adds versions to the key until it has n.
func (s *stack) rotate(b *testing.B, n int) {
	b.Helper()
	for latest := 1; latest < n; {
		var err error
		if latest, err = s.vault.Rotate(b.Context(), keyName); err != nil {
			b.Fatal(err)
		}
	}
}

// vaultRequests is how many requests to Vault the plugin has counted.
func vaultRequests(b *testing.B, p *cluster.Plugin) float64 {
	b.Helper()
	return metric(b, p, "sealproof_vault_requests_total")
}

func metric(b *testing.B, p *cluster.Plugin, name string, labels ...string) float64 {
	b.Helper()
	m, err := p.Metrics(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	sum, _ := m.Sum(name, labels...)
	return sum
}

// directConfig is all that is needed to ask Vault directly.
type directConfig struct{ Address, CAFile, TokenFile string }

// directConfig logs in as the plugin does: what Vault looks up for a token
// depends on where that comes from.
func (s *stack) directConfig(b *testing.B) directConfig {
	b.Helper()
	secretID, err := os.ReadFile(s.role.SecretIDFile)
	if err != nil {
		b.Fatal(err)
	}
	login, err := s.vault.Client().Logical().WriteWithContext(b.Context(), "auth/approle/login",
		map[string]any{"role_id": s.role.RoleID, "secret_id": string(secretID)})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "token")
	if err := os.WriteFile(file, []byte(login.Auth.ClientToken), 0o600); err != nil {
		b.Fatal(err)
	}
	return directConfig{Address: s.vault.Address(0), CAFile: s.vault.CAFile(), TokenFile: file}
}

// direct asks Vault without any plugin: the floor under whatever needs Vault. It
// speaks HTTP/1.1 over TLS with a token of the plugin's role (to Vault a root token
// is less work), and does nothing with the answer but read it.
type direct struct {
	http    *http.Client
	address string
	token   string
}

func newDirect(c directConfig, connections int) (*direct, error) {
	trust, err := trustIn(c.CAFile)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: trust, MaxIdleConns: connections, MaxIdleConnsPerHost: connections}
	return &direct{http: &http.Client{Transport: transport}, address: c.Address, token: string(token)}, nil
}

func (s *stack) direct(b *testing.B, connections int) *direct {
	b.Helper()
	d, err := newDirect(s.directConfig(b), connections)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.http.CloseIdleConnections)
	return d
}

func trustIn(caFile string) (*tls.Config, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// transit makes one request about the key, not in the form of a batch.
func (d *direct) transit(operation string, body map[string]any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return d.send(operation, text)
}

func (d *direct) send(operation string, body []byte) error {
	url := d.address + "/v1/" + cluster.TransitMount + "/" + operation + "/" + keyName
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", d.token)
	req.Header.Set("X-Vault-Request", "true")
	resp, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s directly: %s: %s", operation, resp.Status, answer)
	}
	return err
}

// stored is a DEK seed as an API server stores it, and the request that opens
// what Vault wrapped of it.
type stored struct {
	request *kms.DecryptRequest
	unwrap  map[string]any
}

// localSeeds makes seeds that are each sealed with a local KEK of its own, as
// if another installation had written them, in the plugin's own format.
func (s *stack) localSeeds(b *testing.B, n int) []stored {
	b.Helper()
	keys := make([][]byte, n)
	aad := make([][]byte, n)
	bindings := make([]envelope.Binding, n)
	for i := range keys {
		keys[i] = randomBytes(envelope.KEKSize)
		bindings[i] = envelope.Binding{Cluster: clusterName, KeyID: fmt.Sprintf("v1.bench-%d", i)}
		aad[i] = bindings[i].WrapData()
	}
	seeds := make([]stored, n)
	for i, wrapped := range s.wrap(b, keys, aad) {
		kek, err := envelope.NewLocalKEK(keys[i])
		if err != nil {
			b.Fatal(err)
		}
		seeds[i] = newStored(kek.Wrap(bindings[i], wrapped, make([]byte, 32)))
	}
	return seeds
}

// directSeeds makes seeds that Vault itself wrapped, as with envelope: vault.
func (s *stack) directSeeds(b *testing.B, n int) []stored {
	b.Helper()
	keys := make([][]byte, n)
	aad := make([][]byte, n)
	bindings := make([]envelope.Binding, n)
	for i := range keys {
		keys[i] = randomBytes(32)
		bindings[i] = envelope.Binding{Cluster: clusterName, KeyID: fmt.Sprintf("v1.bench-%d", i)}
		aad[i] = bindings[i].DirectData()
	}
	seeds := make([]stored, n)
	for i, wrapped := range s.wrap(b, keys, aad) {
		seeds[i] = newStored(envelope.Direct(bindings[i], wrapped))
	}
	return seeds
}

// bareSeeds makes seeds as other plugins of Transit store them.
func (s *stack) bareSeeds(b *testing.B, n int) []stored {
	b.Helper()
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = randomBytes(32)
	}
	seeds := make([]stored, n)
	for i, wrapped := range s.wrap(b, keys, nil) {
		seeds[i] = newStored(envelope.Stored{Form: envelope.FormUnbound, Binding: envelope.Binding{KeyID: "1"}, Ciphertext: wrapped, Wrapped: wrapped})
	}
	return seeds
}

func newStored(e envelope.Stored) stored {
	unwrap := map[string]any{"ciphertext": string(e.Wrapped)}
	if aad := e.AssociatedData(); aad != nil {
		unwrap["associated_data"] = base64.StdEncoding.EncodeToString(aad)
	}
	return stored{unwrap: unwrap, request: &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.Binding.KeyID, Annotations: e.Annotations(), Uid: "bench"}}
}

// wrap has Vault encrypt plaintexts under its first key version, with associated
// data unless aad is nil.
func (s *stack) wrap(b *testing.B, plaintexts, aad [][]byte) [][]byte {
	b.Helper()
	const most = 1000 // in one request; Vault's own limit is 10,000 elements
	var wrapped [][]byte
	for from := 0; from < len(plaintexts); from += most {
		var batch []map[string]any
		for i := from; i < min(from+most, len(plaintexts)); i++ {
			item := map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintexts[i]), "key_version": 1}
			if aad != nil {
				item["associated_data"] = base64.StdEncoding.EncodeToString(aad[i])
			}
			batch = append(batch, item)
		}
		secret, err := s.vault.Client().Logical().WriteWithContext(b.Context(), cluster.TransitMount+"/encrypt/"+keyName, map[string]any{"batch_input": batch})
		if err != nil {
			b.Fatal(err)
		}
		results, ok := secret.Data["batch_results"].([]any)
		if !ok || len(results) != len(batch) {
			b.Fatalf("Vault wrapped %d of %d plaintexts", len(results), len(batch))
		}
		for _, r := range results {
			wrapped = append(wrapped, []byte(r.(map[string]any)["ciphertext"].(string))) //nolint:forcetypeassert // Vault's own format
		}
	}
	return wrapped
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
