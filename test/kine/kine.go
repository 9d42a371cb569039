// Package kine is a fake of kine (github.com/k3s-io/kine), which itself stands
// in for etcd in front of a SQL database. It answers only what a reader asks,
// and as kine 0.8 to 0.17 do: no header but the revision, one member of its own
// name, a refusal of what SQL has no word for. It must never be taken for proof
// that a real kine can be read.
package kine

import (
	"context"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Server is a fake kine that stands still at one revision.
type Server struct {
	pb.UnimplementedKVServer
	// Keys are what it stores besides its own, and must not change while it
	// serves.
	Keys map[string]string
	// CountsFromKey is set for versions that count from a key on. Older ones
	// answer 0.
	CountsFromKey bool
	// Miscount is added to every count of a range.
	Miscount int64
	// Nameless leaves out the list of members, as kine before 0.8 did.
	Nameless bool
}

const revision = 42

// What kine stores by itself at every start (pkg/server/types.go).
const (
	healthKey   = "/registry/health"
	healthValue = `{"health":"true"}`
)

// header is kine's: no id of a cluster or member, and no term.
func header() *pb.ResponseHeader { return &pb.ResponseHeader{Revision: revision} }

// Start serves on a socket until the test ends and returns its endpoint.
func (s *Server) Start(t testing.TB) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "kine.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterKVServer(server, s)
	if !s.Nameless {
		pb.RegisterClusterServer(server, members{})
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return "unix://" + socket
}

// Range answers as pkg/server/get.go and list.go of kine do.
func (s *Server) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if r.Serializable || r.SortOrder != 0 {
		return nil, status.Error(codes.Unimplemented, "sortOrder is not implemented by kine")
	}
	if len(r.RangeEnd) == 0 {
		return s.one(string(r.Key), r.Limit)
	}
	resp := &pb.RangeResponse{Header: header()}
	stored := maps.Clone(s.Keys)
	stored[healthKey] = healthValue
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		if !s.inRange(key, string(r.Key), string(r.RangeEnd)) {
			continue
		}
		resp.Count++
		if r.Limit > 0 && int64(len(resp.Kvs)) == r.Limit {
			resp.More = true
		} else if !r.CountOnly {
			resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), Value: []byte(stored[key]), ModRevision: 1})
		}
	}
	resp.Count += s.Miscount
	return resp, nil
}

func (s *Server) one(key string, limit int64) (*pb.RangeResponse, error) {
	if limit > 1 {
		return nil, status.Error(codes.Unimplemented, "limit is not implemented by kine")
	}
	resp := &pb.RangeResponse{Header: header()}
	if _, ok := s.Keys[key]; ok && key != "compact_rev_key" { // kine's own, which it does not show
		resp.Count = 1
	}
	return resp, nil
}

func (s *Server) inRange(key, from, end string) bool {
	if end == "\x00" {
		return s.CountsFromKey && key >= from
	}
	return key >= from && key < end
}

type members struct{ pb.UnimplementedClusterServer }

func (members) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	return &pb.MemberListResponse{Header: &pb.ResponseHeader{}, Members: []*pb.Member{{Name: "kine"}}}, nil
}
