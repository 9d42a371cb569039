package offline

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// The buckets and keys in which etcd keeps what it knows of its cluster (etcd 3.7.3,
// server/storage/schema/bucket.go, membership.go, cindex.go).
const (
	membersBucket = "members"
	clusterBucket = "cluster"
	metaBucket    = "meta"
	versionKey    = "clusterVersion"
	indexKey      = "consistent_index"
)

// mostMembers bounds what a hostile file can name; an etcd cluster has seven at the most.
const mostMembers = 64

// clusterOf reads what a database says of its cluster. What cannot be read is left out: it is
// there for the runbook's commands only.
func clusterOf(ctx context.Context, db *bolt.File) (c record.Cluster) {
	buckets, _, err := db.Buckets(ctx)
	if err != nil {
		return c
	}
	for _, b := range buckets {
		var take func(key, value []byte)
		switch string(b.Name) {
		case membersBucket:
			take = func(key, value []byte) {
				m := record.Member{ID: string(key)}
				if len(key) <= 16 && len(c.Members) < mostMembers && json.Unmarshal(value, &m) == nil {
					c.Members = append(c.Members, m)
				}
			}
		case clusterBucket:
			take = func(key, value []byte) {
				if string(key) == versionKey && len(value) < 64 {
					c.Version = string(value)
				}
			}
		case metaBucket:
			take = func(key, value []byte) {
				if string(key) == indexKey && len(value) == 8 {
					c.Index = binary.BigEndian.Uint64(value)
				}
			}
		default:
			continue
		}
		_, _ = db.Leaves(ctx, b, false, func(l bolt.Leaf) error {
			for i := range l.Len() {
				if key, value, _, err := l.Element(i); err == nil {
					take(key, value)
				}
			}
			return nil
		})
	}
	return c
}
