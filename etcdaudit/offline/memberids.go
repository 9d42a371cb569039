package offline

import (
	"context"

	"github.com/sealproof/sealproof/etcdaudit/bolt"
)

// memberIDs returns the ids of the members that a database knows, in hexadecimal: etcd has them
// as keys. They tell copies of one cluster.
func memberIDs(ctx context.Context, db *bolt.File) (ids []string) {
	const longest = 16 // a number of 64 bits
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
				if key, _, _, err := l.Element(i); err == nil && len(key) > 0 && len(key) <= longest && len(ids) < mostMembers {
					ids = append(ids, string(key))
				}
			}
			return nil
		})
	}
	return ids
}
