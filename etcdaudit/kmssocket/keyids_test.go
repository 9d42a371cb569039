package kmssocket_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/etcdaudit/kmssocket"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
)

// told answers Status; it would fail the test by anything else.
type told struct {
	kms.UnimplementedKeyManagementServiceServer
	healthz string
	err     error
}

func (p told) Status(context.Context, *kms.StatusRequest) (*kms.StatusResponse, error) {
	return &kms.StatusResponse{Version: "v2", Healthz: p.healthz, KeyId: "v2"}, p.err
}

type info struct {
	pluginv1.UnimplementedPluginServiceServer
	keys []*pluginv1.Key
}

func (i info) GetInfo(context.Context, *pluginv1.GetInfoRequest) (*pluginv1.GetInfoResponse, error) {
	return &pluginv1.GetInfoResponse{Keys: i.keys}, nil
}

// serveInfo serves at a socket what register adds.
func serveInfo(t *testing.T, register func(*grpc.Server)) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "p") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return socket
}

func TestAPluginTellsItsKeyIDs(t *testing.T) {
	ours := []*pluginv1.Key{
		{Versions: []*pluginv1.Version{{Number: 1, KeyId: "v1"}, {Number: 2, KeyId: "v2"}}},
		{Source: "previous[0]", Versions: []*pluginv1.Version{{Number: 7, KeyId: "old"}}},
	}
	for name, tt := range map[string]struct {
		register func(*grpc.Server)
		current  string
		versions []string
		problem  string
	}{
		"ours": {func(s *grpc.Server) {
			kms.RegisterKeyManagementServiceServer(s, told{healthz: "ok"})
			pluginv1.RegisterPluginServiceServer(s, info{keys: ours})
		}, "v2", []string{"v1", "v2", "old"}, ""},
		"ours, one key of which has not been reached": {func(s *grpc.Server) {
			kms.RegisterKeyManagementServiceServer(s, told{healthz: "ok"})
			pluginv1.RegisterPluginServiceServer(s, info{keys: append(slices.Clone(ours), &pluginv1.Key{Source: "previous[1]"})})
		}, "v2", nil, ""},
		"another project's": {func(s *grpc.Server) { kms.RegisterKeyManagementServiceServer(s, told{healthz: "ok"}) }, "v2", nil, ""},
		"one that is not healthy": {func(s *grpc.Server) {
			kms.RegisterKeyManagementServiceServer(s, told{healthz: "sealed\x1b[31m"})
		}, "", nil, `not healthy: sealed\x1b`},
		"one that refuses": {func(s *grpc.Server) {
			kms.RegisterKeyManagementServiceServer(s, told{err: status.Error(codes.PermissionDenied, "not you")})
		}, "", nil, "not you"},
		"another service": {func(*grpc.Server) {}, "", nil, "not as KMS v2"},
	} {
		p := kmssocket.KeyIDs(t.Context(), "unix://"+serveInfo(t, tt.register), time.Minute)
		if p.Current != tt.current || p.Lists != (tt.versions != nil) || p.Lists && !slices.Equal(p.Versions, tt.versions) || !strings.Contains(p.Problem, tt.problem) || (p.Problem == "") != (tt.problem == "") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestItIsSaidWhatIsThereInsteadOfAPlugin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no socket is there",
		file:                               "no socket, but something else",
		"":                                 "",
	} {
		if p := kmssocket.KeyIDs(t.Context(), path, time.Minute); p.Problem == "" || !strings.Contains(p.Problem, want) {
			t.Errorf("%s: %+v", path, p)
		}
	}
}
