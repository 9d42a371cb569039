package vaultbackend

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// Observer is told what happens between this process and Vault.
type Observer interface {
	client.Observer
	// Batch reports the number of items in one decrypt request.
	Batch(items int)
}

// Key is one Transit key, behind one login. It is safe for concurrent use.
type Key struct {
	cfg      Config
	vault    *client.Client
	onBatch  func(items int)
	decrypts *batcher
	end      context.CancelFunc // ends requests that several callers share
}

var _ backend.Backend = (*Key)(nil)

// New prepares a key and makes no request: it succeeds while Vault is away, and
// before the files with the credentials exist. boot returns the time since boot,
// suspended time included. A nil obs observes nothing. Close it at the end.
func New(cfg Config, log *slog.Logger, boot func() time.Duration, obs Observer) (*Key, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Key{cfg: cfg.canonical(), onBatch: func(int) {}}
	var clientObserver client.Observer
	if obs != nil {
		clientObserver, k.onBatch = obs, obs.Batch
	}
	var err error
	if k.vault, err = client.New(k.cfg.Config, log, boot, clientObserver); err != nil {
		return nil, err
	}
	var life context.Context
	life, k.end = context.WithCancel(context.Background())
	k.decrypts = newBatcher(life, func(ctx context.Context, tasks []task) ([]backend.Result, error) {
		return k.split(ctx, opDecrypt, 0, tasks)
	})
	return k, nil
}

// Run keeps the login alive in the background until ctx ends; then it returns nil.
// Without it requests still log in when they have to, and wait for that.
func (k *Key) Run(ctx context.Context) error { return k.vault.Run(ctx) }

// Close lets requests under way finish, revokes the token if this process has logged
// in for it, and closes the connections. It takes about a second at most, whatever
// Vault does. Before Close the context of Run must have ended.
func (k *Key) Close() {
	k.vault.Close()
	k.end()
	k.decrypts.close()
}

// What is asked of Transit, by its names in metrics and, but for the first, in paths.
const (
	opReadKey client.Operation = "read_key"
	opHMAC    client.Operation = "hmac"
	opEncrypt client.Operation = "encrypt"
	opDecrypt client.Operation = "decrypt"
)

// describe says what is done to what, for errors.
func (c Config) describe(op client.Operation) string {
	if op == opReadKey {
		return "read " + c.keyPath("keys")
	}
	return string(op) + " with " + c.keyPath("keys")
}

// readKey asks Vault for the key's description.
func (k *Key) readKey(ctx context.Context) (client.Answer, error) {
	return k.vault.Do(ctx, client.Request{
		Op: opReadKey, What: k.cfg.describe(opReadKey), Method: http.MethodGet, Path: k.cfg.keyPath("keys"),
		Header: uidHeaders(ctx), Confirm: true, Missing: missingReason,
	})
}
