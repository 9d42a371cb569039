package live_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

// counted answers from what it holds, and remembers what it was asked.
type counted struct {
	pb.UnimplementedKVServer
	keys    map[string]string
	streams bool // whether it has RangeStream
	id      uint64

	mu     sync.Mutex
	asked  []*pb.RangeRequest // for values, in pages
	stream []*pb.RangeRequest // for values, as streams
	names  int                // requests for names
}

func (c *counted) find(r *pb.RangeRequest) (resp *pb.RangeResponse) {
	resp = &pb.RangeResponse{Header: &pb.ResponseHeader{ClusterId: 7, MemberId: c.id, Revision: 42}}
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		if key < string(r.Key) || string(r.RangeEnd) != "\x00" && key >= string(r.RangeEnd) {
			continue
		}
		resp.Count++
		switch {
		case r.CountOnly:
		case r.Limit > 0 && int64(len(resp.Kvs)) == r.Limit:
			resp.More = true
		case r.KeysOnly:
			resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), ModRevision: 1})
		default:
			resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), ModRevision: 1, Value: []byte(c.keys[key])})
		}
	}
	return resp
}

func (c *counted) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.KeysOnly:
		c.names++
	case !r.CountOnly:
		c.asked = append(c.asked, r)
	}
	return c.find(r), nil
}

// RangeStream sends small values one by one, and from the first large one on all at once.
func (c *counted) RangeStream(r *pb.RangeRequest, s pb.KV_RangeStreamServer) error {
	if !c.streams {
		return status.Error(codes.Unimplemented, "unknown method RangeStream")
	}
	c.mu.Lock()
	if r.KeysOnly {
		c.names++
	} else {
		c.stream = append(c.stream, r)
	}
	all := c.find(r)
	c.mu.Unlock()
	kvs := all.Kvs
	for len(kvs) > 0 && len(kvs[0].Value) < 100 {
		if err := s.Send(&pb.RangeStreamResponse{RangeResponse: &pb.RangeResponse{Kvs: kvs[:1]}}); err != nil {
			return err
		}
		kvs = kvs[1:]
	}
	all.Kvs = kvs
	return s.Send(&pb.RangeStreamResponse{RangeResponse: all})
}

func (c *counted) start(t *testing.T, and ...func(*grpc.Server)) live.Config {
	t.Helper()
	return serve(t, c, and...)
}

func serve(t *testing.T, kv pb.KVServer, and ...func(*grpc.Server)) live.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxSendMsgSize(1 << 30))
	pb.RegisterKVServer(s, kv)
	for _, register := range and {
		register(s)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return ofEndpoint("http://" + l.Addr().String())
}

// readAll reads everything and returns how many keys there were.
func readAll(t testing.TB, snap *live.Snapshot) (keys int) {
	t.Helper()
	var last string
	if err := snap.Read(t.Context(), func(page []record.Record) error {
		for _, rec := range page {
			if string(rec.Key) <= last {
				return fmt.Errorf("%q comes after %q", rec.Key, last)
			}
			last = string(rec.Key)
		}
		keys += len(page)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestEachResourceIsAStreamOfItsOwn(t *testing.T) {
	c := &counted{streams: true, keys: map[string]string{}}
	for _, resource := range []string{"configmaps", "example.com/a", "example.com/b", "secrets"} {
		for i := range 3 {
			c.keys[fmt.Sprintf("/registry/%s/default/%d", resource, i)] = "v"
		}
	}
	if n := readAll(t, pin(t, connect(t, c.start(t)), "/registry")); n != 12 || len(c.asked) != 0 {
		t.Errorf("%d keys, %d pages", n, len(c.asked))
	}
	var from []string
	for _, r := range c.stream {
		if r.Revision != 42 {
			t.Errorf("a request names revision %d", r.Revision)
		}
		from = append(from, string(r.RangeEnd))
	}
	if want := []string{"/registry/configmaps0", "/registry/example.com/a0", "/registry/example.com/b0", "/registry/secrets0"}; !slices.Equal(from, want) {
		t.Errorf("streams up to %q", from)
	}
}

// A message above the limit is refused by the client; the range then goes on in pages, and
// other ranges are streams as before.
func TestWhatIsTooLargeForAStreamIsReadInPagesAndNeverAskedForAgain(t *testing.T) {
	c := &counted{streams: true, keys: map[string]string{"/registry/pods/a": "v", "/registry/z/z": "v"}}
	large := strings.Repeat("v", 1<<20)
	for i := range 40 {
		c.keys[fmt.Sprintf("/registry/secrets/default/a%02d", i)] = "v"
		c.keys[fmt.Sprintf("/registry/secrets/default/b%02d", i)] = large
	}
	if n := readAll(t, pin(t, connect(t, c.start(t)), "/registry")); n != 82 {
		t.Errorf("%d keys", n)
	}
	if len(c.stream) != 3 {
		t.Errorf("%d streams of values", len(c.stream))
	}
	if first := c.asked[0]; string(first.Key) != "/registry/secrets/default/a39\x00" || first.Limit != 16 || first.Revision != 42 {
		t.Errorf("the pages begin with %d keys from %q at revision %d", first.Limit, first.Key, first.Revision)
	}
}

func TestAnEtcdWithoutStreamsIsAskedForOneOnce(t *testing.T) {
	c := &counted{keys: map[string]string{}}
	for i := range 1000 {
		c.keys[fmt.Sprintf("/registry/secrets/default/%04d", i)] = "v"
	}
	if n := readAll(t, pin(t, connect(t, c.start(t)), "/registry")); n != 1000 || len(c.stream) != 0 {
		t.Errorf("%d keys, %d streams", n, len(c.stream))
	}
}

// etcd counts a range to its end for each page.
func TestALongRangeIsReadInPagesWithLittleToCount(t *testing.T) {
	c := &counted{keys: map[string]string{}}
	value := strings.Repeat("v", 1<<10)
	for i := range 30_000 {
		c.keys[fmt.Sprintf("/registry/secrets/default/%06d", i)] = value
	}
	if n := readAll(t, pin(t, connect(t, c.start(t)), "/registry")); n != 30_000 {
		t.Fatalf("%d keys", n)
	}
	whole := 0
	for _, r := range c.asked {
		if string(r.RangeEnd) == clientv3.GetPrefixRangeEnd("/registry/") {
			whole++
		}
	}
	if whole > 10 || len(c.asked) > 60 {
		t.Errorf("%d of %d pages were up to the end of the prefix", whole, len(c.asked))
	}
}
