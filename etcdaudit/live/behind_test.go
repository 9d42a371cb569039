package live_test

import (
	"context"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// behind is an etcd whose revision 42 is compacted when it is read, and whose next answers are those
// of a member that does not know that yet.
type behind struct {
	counted
	compacted bool
	answers   int
}

func (b *behind) RangeStream(r *pb.RangeRequest, s pb.KV_RangeStreamServer) error {
	if r.Revision == 42 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.compacted = true
		return rpctypes.ErrGRPCCompacted
	}
	return b.counted.RangeStream(r, s)
}

func (b *behind) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	resp, err := b.counted.Range(ctx, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.compacted {
		if b.answers--; b.answers < 0 {
			resp.Header.Revision = 50
		} else {
			resp.Header.Revision = 41
		}
	}
	return resp, err
}

// Which member answers a real cluster's client is chance, so it is a fake. Its watch is none: what is
// read is read again.
func TestARevisionThatIsOlderThanTheCompactedOneIsNotTaken(t *testing.T) {
	for name, tt := range map[string]struct {
		answers  int
		revision int64
		says     string
	}{
		"until the next answer": {1, 50, record.ErrRepeat.Error()},
		"for longer":            {1000, 42, "it is at revision 41, and 42 was compacted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := &behind{counted: counted{streams: true, keys: map[string]string{"/registry/secrets/default/a": "v"}}, answers: tt.answers}
			config := serve(t, b)
			config.Serializable = true
			snap := pin(t, connect(t, config), "/registry")
			err := snap.Read(t.Context(), func([]record.Record) error { return nil })
			if snap.Revision != tt.revision {
				t.Errorf("revision %d was taken", snap.Revision)
			}
			want(t, err, tt.says)
		})
	}
}
