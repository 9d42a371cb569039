package offline

import (
	"context"
	"encoding/json"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
)

// membersBucket is where etcd keeps the members of its cluster, as JSON (etcd 3.7.3,
// server/storage/schema/membership.go).
const membersBucket = "members"

// mostMembers bounds what a hostile file can name; an etcd cluster has seven at the most.
const mostMembers = 64

// membersOf returns the first client address of each member that a database knows. What
// cannot be read is left out: it is there for the runbook's commands only.
func membersOf(ctx context.Context, db *bolt.File) (urls []string) {
	buckets, _, err := db.Buckets(ctx)
	if err != nil {
		return nil
	}
	for _, b := range buckets {
		if string(b.Name) != membersBucket {
			continue
		}
		_, _ = db.Leaves(ctx, b, false, func(l bolt.Leaf) error {
			for i := range l.Len() {
				var m struct {
					ClientURLs []string `json:"clientURLs"`
				}
				_, value, _, err := l.Element(i)
				if err == nil && len(urls) < mostMembers && json.Unmarshal(value, &m) == nil && len(m.ClientURLs) > 0 {
					urls = append(urls, m.ClientURLs[0])
				}
			}
			return nil
		})
	}
	return urls
}
