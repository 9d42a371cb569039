package cluster

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Get returns what etcd holds under a key, byte for byte: now if revision is
// 0, else at that revision. The error wraps ErrNoKey if there is nothing.
func (e *Etcd) Get(ctx context.Context, key string, revision int64) (*mvccpb.KeyValue, error) {
	resp, err := e.client.Get(ctx, key, clientv3.WithRev(revision))
	if err != nil {
		return nil, fmt.Errorf("read %s at revision %d from etcd: %w", key, revision, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, fmt.Errorf("read %s at revision %d from etcd: %w", key, revision, ErrNoKey)
	}
	return resp.Kvs[0], nil
}

// ErrNoKey says that etcd holds nothing under a key.
var ErrNoKey = errors.New("no such key")

// Walk calls visit for every value below a prefix at one revision, in the
// order of the keys, until visit fails.
func (e *Etcd) Walk(ctx context.Context, prefix string, visit func(*mvccpb.KeyValue) error) error {
	const page = 1000
	end := clientv3.GetPrefixRangeEnd(prefix)
	revision := int64(0)
	for key := prefix; ; {
		resp, err := e.client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(revision))
		if err != nil {
			return fmt.Errorf("read %s from etcd: %w", prefix, err)
		}
		revision = resp.Header.Revision
		for _, kv := range resp.Kvs {
			if err := visit(kv); err != nil {
				return err
			}
		}
		if !resp.More {
			return nil
		}
		key = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// Sealed counts the Secrets in etcd by how they are stored.
type Sealed struct {
	// Other is the number of those that no KMS v2 provider wrote: plaintext, in
	// these clusters.
	Other int
	// KeyIDs counts values by key_id.
	KeyIDs map[string]int
	// Sources counts values by encrypted DEK source. There is one for every
	// DEK seed that an API server has made and that something still needs.
	Sources map[string]int
}

// SealedSecrets reads how every Secret in etcd is stored.
func (e *Etcd) SealedSecrets(ctx context.Context) (Sealed, error) {
	s := Sealed{KeyIDs: make(map[string]int), Sources: make(map[string]int)}
	err := e.Walk(ctx, "/registry/secrets/", func(kv *mvccpb.KeyValue) error {
		envelope, ok := ParseEnvelope(kv.Value)
		if !ok {
			s.Other++
			return nil
		}
		s.KeyIDs[envelope.Object.GetKeyID()]++
		s.Sources[string(envelope.Object.GetEncryptedDEKSource())]++
		return nil
	})
	return s, err
}
