package live_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/kine"
)

// kineKeys are 100 Secrets, the keys of a compaction, and one of another program.
func kineKeys() map[string]string {
	keys := map[string]string{"compact_rev_key": "1", "compact_rev_key_apiserver": "1|1", "/bootstrap/x": "y"}
	for i := range 100 {
		keys[fmt.Sprintf("/registry/secrets/default/s%03d", i)] = "k8s\x00"
	}
	return keys
}

func ofEndpoint(endpoint string) live.Config {
	return live.Config{Endpoints: []string{endpoint}, RequestTimeout: time.Minute}
}

// kine is a fake here: see its package.
func TestKineIsReadAndNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		server  kine.Server
		standIn string
		outside int64
	}{
		"that counts from a key on": {kine.Server{CountsFromKey: true}, "kine", 1},
		"that does not":             {kine.Server{}, "kine", -1},
		"that lists no members":     {kine.Server{Nameless: true}, "a server that is not etcd", -1},
	} {
		t.Run(name, func(t *testing.T) {
			tt.server.Keys = kineKeys()
			snap := pin(t, connect(t, ofEndpoint(tt.server.Start(t))), "/registry")
			if snap.StandIn != tt.standIn || snap.Outside != tt.outside || snap.Keys != 101 { // with kine's own
				t.Errorf("%q with %d keys and %d elsewhere", snap.StandIn, snap.Keys, snap.Outside)
			}
			read := 0
			if err := snap.Read(t.Context(), func(page []record.Record) error { read += len(page); return nil }); err != nil || read != 101 {
				t.Errorf("%d keys, %v", read, err)
			}
		})
	}
}

func TestACountOfKineThatIsNotTrueIsSaidToBePerhapsALaterOne(t *testing.T) {
	server := kine.Server{Keys: kineKeys(), Miscount: 1}
	snap := pin(t, connect(t, ofEndpoint(server.Start(t))), "/registry")
	err := snap.Read(t.Context(), func([]record.Record) error { return nil })
	want(t, err, "101 keys were read, but etcd counts 102", "older versions of kine")
}

func TestACountBelowZeroIsNoCount(t *testing.T) {
	server := kine.Server{Keys: kineKeys(), Miscount: -1000}
	_, err := connect(t, ofEndpoint(server.Start(t))).Pin(t.Context(), "/registry")
	want(t, err, "counts -899 keys")
}

// miscounting answers like etcd, but has fewer keys in all than under the
// prefix, which no sound etcd has.
type miscounting struct {
	pb.UnimplementedKVServer
}

func (miscounting) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{ClusterId: 7, Revision: 42}}
	if strings.HasPrefix(string(r.Key), "/registry/") && len(r.RangeEnd) > 0 {
		resp.Count = 5
	}
	return resp, nil
}

func TestAnEtcdThatContradictsItselfIsNotAMatterOfPermission(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterKVServer(s, miscounting{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	_, err = connect(t, ofEndpoint("http://"+l.Addr().String())).Pin(t.Context(), "/registry")
	want(t, err, "0 keys in all, which is less than the 5")
}
