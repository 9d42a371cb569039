package live_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/etcdaudit/live"
)

// hashless is a member that can be read, and computes no hash.
type hashless struct {
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedClusterServer
	id   uint64
	list []*pb.Member
}

func (h *hashless) register(s *grpc.Server) {
	pb.RegisterMaintenanceServer(s, h)
	pb.RegisterClusterServer(s, h)
}

func (h *hashless) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	return &pb.MemberListResponse{Header: &pb.ResponseHeader{ClusterId: 7}, Members: h.list}, nil
}

func (h *hashless) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{ClusterId: 7, MemberId: h.id}}, nil
}

func (*hashless) HashKV(context.Context, *pb.HashKVRequest) (*pb.HashKVResponse, error) {
	return nil, status.Error(codes.Internal, "no hash today")
}

// Snapshot sends nothing, and does not say that it will not.
func (*hashless) Snapshot(_ *pb.SnapshotRequest, s pb.Maintenance_SnapshotServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func TestASnapshotThatDoesNotComeIsNoRefusal(t *testing.T) {
	config := (&counted{id: 1}).start(t, (&hashless{id: 1}).register)
	config.RequestTimeout = 10 * time.Second
	_, err := live.CopyDatabase(t.Context(), config, "7", "1", io.Discard)
	want(t, err, "gave no answer within 10s")
}

// refusing is a member that sends no database, for a reason of its own.
type refusing struct{ hashless }

func (*refusing) Snapshot(*pb.SnapshotRequest, pb.Maintenance_SnapshotServer) error {
	return status.Error(codes.FailedPrecondition, "not today")
}

func TestASnapshotThatIsRefusedSaysWhatToDo(t *testing.T) {
	member := &refusing{hashless{id: 1}}
	config := (&counted{id: 1}).start(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, member)
		pb.RegisterClusterServer(s, &member.hashless)
	})
	config.RequestTimeout = time.Minute
	_, err := live.CopyDatabase(t.Context(), config, "7", "1", io.Discard)
	want(t, err, "not today); save one with etcdctl snapshot save, and scan that")
}

// Where several endpoints fail, that is one line as well.
func TestSeveralEndpointsThatSendNoSnapshotAreOneLine(t *testing.T) {
	config := live.Config{Endpoints: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}, RequestTimeout: time.Minute}
	_, err := live.CopyDatabase(t.Context(), config, "7", "1", io.Discard)
	want(t, err, "127.0.0.1:2")
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
}

// A real etcd fails so only for a moment, so it is a fake.
func TestAMemberThatComputesNoHashIsReadInstead(t *testing.T) {
	first := &hashless{id: 1}
	config := (&counted{id: 1, keys: map[string]string{"/registry/secrets/default/a": "one"}}).start(t, first.register)
	other := (&counted{id: 2, keys: map[string]string{"/registry/secrets/default/a": "another"}}).start(t, (&hashless{id: 2}).register)
	first.list = []*pb.Member{{ID: 1, ClientURLs: config.Endpoints}, {ID: 2, ClientURLs: other.Endpoints}}
	config.Members = live.ByHash
	c := pin(t, connect(t, config), "/registry").Compare(t.Context())
	if c.Why != "" || !c.ByReading || !c.Differ || c.Differing != 1 || c.Members[0].NotCompared+c.Members[1].NotCompared != "" {
		t.Errorf("%+v", c)
	}
}

// Members can name addresses with TLS where one without it was given.
func TestAMemberWhoseAuthorityIsUnknownIsNotToldToUseTLS(t *testing.T) {
	other := httptest.NewUnstartedServer(nil)
	other.EnableHTTP2 = true
	other.StartTLS()
	t.Cleanup(other.Close)
	first := &hashless{id: 1}
	config := (&counted{id: 1}).start(t, first.register)
	config.RequestTimeout, config.Members = time.Minute, live.ByHash
	first.list = []*pb.Member{{ID: 1, ClientURLs: config.Endpoints}, {ID: 2, ClientURLs: []string{other.URL}}}
	comparison := pin(t, connect(t, config), "/registry").Compare(t.Context())
	if m := comparison.Members[1]; m.ID != "2" || !strings.Contains(m.NotCompared, "not signed by a CA of this system") {
		t.Errorf("%+v", m)
	}
}
