package offline

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// The buckets in which etcd keeps what it knows of its cluster (etcd 3.7.3,
// server/storage/schema/bucket.go, membership.go).
const (
	membersBucket = "members"
	clusterBucket = "cluster"
	versionKey    = "clusterVersion"
)

// mostMembers bounds what a hostile file can name; an etcd cluster has seven at the most.
const mostMembers = 64

// clusterOf reads what a database says of its cluster. What cannot be read is left out.
func clusterOf(ctx context.Context, db *bolt.File) (c record.Cluster) {
	buckets, _, err := db.Buckets(ctx)
	if err != nil {
		return c
	}
	for _, b := range buckets {
		switch string(b.Name) {
		case membersBucket:
			_, _ = db.Leaves(ctx, b, false, each(func(_, value []byte) {
				var m struct {
					ID         uint64   `json:"id"`
					Name       string   `json:"name"`
					PeerURLs   []string `json:"peerURLs"`
					ClientURLs []string `json:"clientURLs"`
					Learner    bool     `json:"isLearner"`
				}
				if len(c.Members) < mostMembers && json.Unmarshal(value, &m) == nil {
					c.Members = append(c.Members, record.Member{ID: fmt.Sprintf("%x", m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.Learner})
				}
			}))
		case clusterBucket:
			_, _ = db.Leaves(ctx, b, false, each(func(key, value []byte) {
				if string(key) == versionKey && len(value) < 64 {
					c.Version = string(value)
				}
			}))
		}
	}
	return c
}

func each(do func(key, value []byte)) func(bolt.Leaf) error {
	return func(l bolt.Leaf) error {
		for i := range l.Len() {
			if key, value, _, err := l.Element(i); err == nil {
				do(key, value)
			}
		}
		return nil
	}
}
