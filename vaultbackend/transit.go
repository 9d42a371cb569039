package vaultbackend

import (
	"context"
	"encoding/base64"

	"golang.org/x/sync/errgroup"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/backend"
	"github.com/sealproof/sealproof/vaultbackend/client"
)

// hmacLength is that of HMAC-SHA-256.
const hmacLength = 32

// hmacRequests bounds the requests of one HMAC call under way at a time:
// Transit takes one key version a request.
const hmacRequests = 4

// HMAC implements backend.Backend.
func (k *Key) HMAC(ctx context.Context, items []backend.HMACItem) ([]backend.Result, error) {
	byVersion := map[int][]int{} // indexes into items
	for i, item := range items {
		byVersion[item.Version] = append(byVersion[item.Version], i)
	}
	results := make([]backend.Result, len(items))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hmacRequests)
	for version, indexes := range byVersion {
		group.Go(func() error {
			tasks := make([]task, len(indexes))
			for i, index := range indexes {
				tasks[i] = k.hmacTask(items[index])
			}
			part, err := k.perform(opHMAC, tasks, k.inTurn(ctx, opHMAC, version))
			if err != nil {
				return err
			}
			for i, index := range indexes {
				results[index] = part[i]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

func (k *Key) hmacTask(item backend.HMACItem) task {
	t := task{
		item: batchItem{Input: item.Input},
		read: func(r batchResult) ([]byte, error) {
			defer clear(r.HMAC)
			version, encoded, ok := transit.Split(r.HMAC)
			if !ok || version != item.Version {
				return nil, k.senseless(opHMAC, "an HMAC of another key version")
			}
			sum := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
			n, err := base64.StdEncoding.Decode(sum, encoded)
			if err != nil || n != hmacLength {
				return nil, k.senseless(opHMAC, "an HMAC that is not 32 bytes")
			}
			return sum[:n], nil
		},
	}
	switch {
	case item.Version < 1:
		t.unsent = "key versions count from 1" // 0 would mean the latest
	case len(item.Input) == 0:
		t.unsent = "nothing to compute an HMAC over"
	}
	return t
}

// Encrypt implements backend.Backend. It needs update on the path, not create,
// without which Vault cannot mistake it for a wish for a new key.
func (k *Key) Encrypt(ctx context.Context, items []backend.EncryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = k.encryptTask(item)
	}
	return k.perform(opEncrypt, tasks, k.inTurn(ctx, opEncrypt, 0))
}

func (k *Key) encryptTask(item backend.EncryptItem) task {
	t := task{
		item: batchItem{Plaintext: item.Plaintext, AssociatedData: item.AssociatedData, KeyVersion: item.Version},
		read: func(r batchResult) ([]byte, error) {
			// Only the ciphertext's own prefix tells: the key_version beside it
			// repeats the request.
			version, _, ok := transit.Split(r.Ciphertext)
			if !ok || version != item.Version {
				return nil, k.senseless(opEncrypt, "a ciphertext of another key version")
			}
			return r.Ciphertext, nil
		},
	}
	switch {
	case item.Version < 1:
		t.unsent = "key versions count from 1" // 0 would mean the latest
	case len(item.Plaintext) == 0:
		t.unsent = "empty plaintext"
	}
	return t
}

// Decrypt implements backend.Backend. Callers share requests, except for one that
// wants a new connection.
func (k *Key) Decrypt(ctx context.Context, items []backend.DecryptItem) ([]backend.Result, error) {
	tasks := make([]task, len(items))
	for i, item := range items {
		tasks[i] = k.decryptTask(item)
	}
	if backend.NewConnection(ctx) {
		return k.perform(opDecrypt, tasks, k.inTurn(ctx, opDecrypt, 0))
	}
	results, err := k.perform(opDecrypt, tasks, func(tasks []task) ([]backend.Result, error) { return k.decrypts.do(ctx, tasks) })
	if err != nil && ctx.Err() != nil {
		return nil, client.Unanswered(k.cfg.describe(opDecrypt), ctx.Err())
	}
	return results, err
}

func (k *Key) decryptTask(item backend.DecryptItem) task {
	t := task{
		item: batchItem{Ciphertext: string(item.Ciphertext), AssociatedData: item.AssociatedData},
		read: func(r batchResult) ([]byte, error) {
			if r.Plaintext == nil {
				return nil, k.senseless(opDecrypt, "neither a plaintext nor an error")
			}
			return r.Plaintext, nil
		},
	}
	// What is not even text would be changed on its way into JSON.
	if _, _, ok := transit.Split(item.Ciphertext); !ok || !isPrintable(item.Ciphertext) {
		t.unsent = "malformed ciphertext"
	}
	return t
}

func isPrintable(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
