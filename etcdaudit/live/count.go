package live

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// compactionKey is where API servers agree on what to compact
// (k8s.io/apiserver/pkg/storage/etcd3/compact.go). It is under no prefix and
// holds a revision and nothing else.
const compactionKey = "compact_rev_key"

// outside counts what a reading of the prefix does not see. A user who may read
// the prefix alone is no error.
func (snap *Snapshot) outside(ctx context.Context) (int64, error) {
	op := "count the keys outside " + snap.Prefix
	all, err := snap.count(ctx, op, "\x00", clientv3.WithFromKey())
	var own int64
	if err == nil {
		var compaction []clientv3.OpOption
		if snap.StandIn != "" {
			// kine keeps a key of its own under this name, and shows the API
			// server's instead when it is asked for the name alone.
			compaction = append(compaction, clientv3.WithPrefix())
		}
		own, err = snap.count(ctx, op, compactionKey, compaction...)
	}
	switch total := all - snap.Keys - own; {
	case KindOf(err) == Permission:
		return -1, nil
	case err != nil:
		return 0, err
	case total < 0 && snap.StandIn != "":
		return -1, nil // older versions of kine count 0 from a key on
	case total < 0:
		return 0, inconsistent(op, "etcd counts %d keys in all, which is less than the %d under the prefix and %d for compaction", all, snap.Keys, own)
	default:
		return total, nil
	}
}

// count counts keys at the snapshot's revision.
func (snap *Snapshot) count(ctx context.Context, op, key string, opts ...clientv3.OpOption) (int64, error) {
	resp, err := snap.store.get(ctx, op, key, append(opts, clientv3.WithCountOnly(), clientv3.WithRev(snap.Revision))...)
	if err != nil {
		return 0, err
	}
	if err := snap.answered(op, resp.Header.ClusterId, resp.Header.MemberId); err != nil {
		return 0, err
	}
	if resp.Count < 0 {
		return 0, inconsistent(op, "etcd counts %d keys", resp.Count)
	}
	return resp.Count, nil
}
