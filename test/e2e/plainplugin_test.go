package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/hashicorp/vault/api"
	"google.golang.org/grpc"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/test/cluster"
)

// plainPlugin is a KMS v2 plugin that does with Vault's Transit engine what
// plain Transit plugins do, and no more: every seed is encrypted by Transit
// itself, without associated data; the stored form is Transit's bare ciphertext;
// the key_id is the number of the key version; there are no annotations. It is
// the test's own: it stands for what such a plugin leaves in etcd.
type plainPlugin struct {
	kms.UnimplementedKeyManagementServiceServer

	vault *api.Client
	key   string
}

// startPlainPlugin serves one until the test ends, or the returned function is
// called.
func startPlainPlugin(s *stack) (provider cluster.KMSProvider, stop func()) {
	s.t.Helper()
	path := filepath.Join(s.c.Dir(), "plain.sock")
	var listen net.ListenConfig
	listener := must(listen.Listen(s.ctx, "unix", path))(s.t)
	server := grpc.NewServer()
	kms.RegisterKeyManagementServiceServer(server, plainPlugin{vault: s.vault.Client(), key: keyName})
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		server.Stop()
		if err := <-done; err != nil {
			s.t.Errorf("the plain plugin: %v", err)
		}
	}
	s.t.Cleanup(stop)
	return cluster.KMSProvider{Name: providerName, Socket: path}, stop
}

// Status names the latest version.
func (p plainPlugin) Status(ctx context.Context, _ *kms.StatusRequest) (*kms.StatusResponse, error) {
	version, err := p.latest(ctx)
	if err != nil {
		return nil, err
	}
	return &kms.StatusResponse{Version: "v2", Healthz: "ok", KeyId: version}, nil
}

// Encrypt has Transit encrypt the seed with the latest version.
func (p plainPlugin) Encrypt(ctx context.Context, r *kms.EncryptRequest) (*kms.EncryptResponse, error) {
	ciphertext, err := p.ask(ctx, "encrypt", "plaintext", base64.StdEncoding.EncodeToString(r.GetPlaintext()), "ciphertext")
	if err != nil {
		return nil, err
	}
	version, err := p.latest(ctx)
	if err != nil {
		return nil, err
	}
	return &kms.EncryptResponse{Ciphertext: []byte(ciphertext), KeyId: version}, nil
}

// Decrypt has Transit decrypt it.
func (p plainPlugin) Decrypt(ctx context.Context, r *kms.DecryptRequest) (*kms.DecryptResponse, error) {
	text, err := p.ask(ctx, "decrypt", "ciphertext", string(r.GetCiphertext()), "plaintext")
	if err != nil {
		return nil, err
	}
	plaintext, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read Vault's answer: %w", err)
	}
	return &kms.DecryptResponse{Plaintext: plaintext}, nil
}

func (p plainPlugin) latest(ctx context.Context) (string, error) {
	secret, err := p.vault.Logical().ReadWithContext(ctx, cluster.TransitMount+"/keys/"+p.key)
	if err != nil {
		return "", err
	}
	if secret == nil {
		return "", errors.New("the key is gone")
	}
	return fmt.Sprint(secret.Data["latest_version"].(json.Number)), nil //nolint:forcetypeassert // Vault's own format
}

func (p plainPlugin) ask(ctx context.Context, operation, field, value, answer string) (string, error) {
	secret, err := p.vault.Logical().WriteWithContext(ctx, cluster.TransitMount+"/"+operation+"/"+p.key, map[string]any{field: value})
	if err != nil {
		return "", err
	}
	text, _ := secret.Data[answer].(string)
	return text, nil
}
