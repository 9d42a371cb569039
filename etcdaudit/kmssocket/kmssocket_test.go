package kmssocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	kmsv1 "k8s.io/kms/apis/v1beta1"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/etcdaudit/kmssocket"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/test/testkit"
)

// patient is a timeout that no loaded machine reaches.
const patient = 2 * time.Minute

// socketPath is short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "kms"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "kms.sock")
}

// serve serves what register adds, until the test ends.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	path := socketPath(t)
	serveAt(t, path, register)
	return path
}

func serveAt(t *testing.T, path string, register func(*grpc.Server)) {
	t.Helper()
	l := testkit.Must(net.Listen("unix", path))(t)
	g := grpc.NewServer()
	register(g)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); testkit.Check(t, <-done) })
}

// plugin answers as it is told; it hangs where that is nil.
type plugin struct {
	kms.UnimplementedKeyManagementServiceServer
	version string
	decrypt func(*kms.DecryptRequest) (*kms.DecryptResponse, error)
}

func (p plugin) Status(ctx context.Context, _ *kms.StatusRequest) (*kms.StatusResponse, error) {
	if p.version == "" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &kms.StatusResponse{Version: p.version, Healthz: "not today", KeyId: "k"}, nil
}

func (p plugin) Decrypt(ctx context.Context, req *kms.DecryptRequest) (*kms.DecryptResponse, error) {
	if p.decrypt == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return p.decrypt(req)
}

func servePlugin(t *testing.T, p plugin) string {
	t.Helper()
	return serve(t, func(g *grpc.Server) { kms.RegisterKeyManagementServiceServer(g, p) })
}

// accept serves a socket by hand.
func accept(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	path := socketPath(t)
	l := testkit.Must(net.Listen("unix", path))(t)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c)
		}
	}()
	return path
}

func TestWhatIsNoPluginIsNamed(t *testing.T) {
	stale := socketPath(t)
	l := testkit.Must(net.Listen("unix", stale))(t)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	testkit.Check(t, l.Close())
	file := filepath.Join(t.TempDir(), "file")
	testkit.Check(t, os.WriteFile(file, nil, 0o600))
	for what, tc := range map[string]struct {
		path    string
		timeout time.Duration
		says    string
	}{
		"no path": {"kms.sock", patient, "no socket: want the absolute path of one"},
		"nothing": {filepath.Join(t.TempDir(), "kms.sock"), patient, "no socket is there; the endpoint in the EncryptionConfiguration says where it is"},
		"a file":  {file, patient, "no socket, but something else"},
		"nobody":  {stale, patient, "nobody listens at the socket: the plugin is not running"},
		"KMS v1": {serve(t, func(g *grpc.Server) {
			kmsv1.RegisterKeyManagementServiceServer(g, kmsv1.UnimplementedKeyManagementServiceServer{})
		}), patient, "not as KMS v2"},
		"no gRPC":              {accept(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); _, _ = io.Copy(io.Discard, c) }), patient, "it does not speak gRPC, or ends"},
		"one that hangs up":    {accept(t, func(c net.Conn) { _ = c.Close() }), patient, "it does not speak gRPC, or ends"},
		"one that says nought": {accept(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), 100 * time.Millisecond, "no answer within 100ms"},
		"one that hangs":       {servePlugin(t, plugin{}), 100 * time.Millisecond, "no answer within 100ms"},
		"another version":      {servePlugin(t, plugin{version: "v3\x1b[2J"}), patient, `it speaks version "v3\\x1b[2J", want v2`},
	} {
		p, err := kmssocket.Open(t.Context(), tc.path, tc.timeout)
		if err == nil {
			t.Errorf("%s: taken for a plugin", what)
			testkit.Check(t, p.Close())
			continue
		}
		if text := err.Error(); !strings.Contains(text, "KMS plugin "+tc.path+": ") || !strings.Contains(text, tc.says) || strings.Contains(text, "\n") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASourceIsUnwrappedOrTheReasonNamed(t *testing.T) {
	source := verify.Source{DEKSource: []byte("source"), KeyID: "k1", Annotations: map[string][]byte{"a.example": []byte("1")}}
	const key = "0123456789abcdef0123456789abcdef"
	for what, tc := range map[string]struct {
		err     error
		outcome verify.Outcome
		says    string
	}{
		"not its own":     {status.Error(codes.InvalidArgument, "the ciphertext does not authenticate"), verify.WrongKey, "the ciphertext does not authenticate"},
		"other cluster":   {status.Error(codes.FailedPrecondition, "ciphertext of another cluster: it was sealed for \"a\""), verify.OtherCluster, "another cluster"},
		"retired":         {status.Error(codes.FailedPrecondition, "decrypt: this key version is below min_decryption_version"), verify.VersionRetired, "min_decryption_version"},
		"retired before":  {status.Error(codes.FailedPrecondition, "Vault refuses version 1 of transit/kubernetes: its minimum was raised above it"), verify.VersionRetired, "raised above it"},
		"something else":  {status.Error(codes.FailedPrecondition, "a key of this type cannot serve"), verify.Refused, "cannot serve"},
		"no code":         {status.Error(codes.Unknown, "rpc failed\n\x1b[2J"), verify.Refused, `rpc failed\n\x1b[2J`},
		"not the key":     {status.Error(codes.PermissionDenied, "403"), verify.Refused, "403"},
		"its store away":  {status.Error(codes.Unavailable, "Vault is sealed"), verify.NotEvaluated, "Vault is sealed"},
		"its credentials": {status.Error(codes.Unauthenticated, "log in"), verify.NotEvaluated, "log in"},
		"too busy":        {status.Error(codes.ResourceExhausted, "busy"), verify.NotEvaluated, "busy"},
		"too long":        {status.Error(codes.Unknown, strings.Repeat("x", 5000)), verify.Refused, "xxx"},
	} {
		path := servePlugin(t, plugin{version: "v2", decrypt: func(*kms.DecryptRequest) (*kms.DecryptResponse, error) { return nil, tc.err }})
		p := testkit.Must(kmssocket.Open(t.Context(), path, patient))(t)
		_, err := p.Unwrap(t.Context(), source)
		outcome := outcomeOf(err)
		if err == nil || outcome != tc.outcome || !strings.Contains(err.Error(), tc.says) || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %v, %v", what, outcome, err)
		}
		testkit.Check(t, p.Close())
	}

	path := servePlugin(t, plugin{version: "v2", decrypt: func(req *kms.DecryptRequest) (*kms.DecryptResponse, error) {
		if string(req.GetCiphertext()) != "source" || req.GetKeyId() != "k1" || string(req.GetAnnotations()["a.example"]) != "1" || req.GetUid() == "" {
			return nil, status.Error(codes.InvalidArgument, req.String())
		}
		return &kms.DecryptResponse{Plaintext: []byte(key)}, nil
	}})
	p := testkit.Must(kmssocket.Open(t.Context(), "unix://"+path, patient))(t)
	if got, err := p.Unwrap(t.Context(), source); err != nil || string(got) != key {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	testkit.Check(t, p.Close())

	long := servePlugin(t, plugin{version: "v2", decrypt: func(*kms.DecryptRequest) (*kms.DecryptResponse, error) {
		return &kms.DecryptResponse{Plaintext: make([]byte, 1<<20)}, nil
	}})
	p = testkit.Must(kmssocket.Open(t.Context(), long, patient))(t)
	if _, err := p.Unwrap(t.Context(), source); err == nil || outcomeOf(err) != verify.NotEvaluated {
		t.Errorf("an endless answer: %v", err)
	}
	testkit.Check(t, p.Close())
}

// A plugin that has answered once can hang at the next request.
func TestAPluginThatHangsIsNotWaitedFor(t *testing.T) {
	path := servePlugin(t, plugin{version: "v2"})
	for {
		// The status must come within the same time, which a loaded machine may miss.
		p, err := kmssocket.Open(t.Context(), path, 100*time.Millisecond)
		if err != nil && strings.Contains(err.Error(), "no answer within") {
			continue
		}
		testkit.Check(t, err)
		_, err = p.Unwrap(t.Context(), verify.Source{DEKSource: []byte("source"), KeyID: "k1"})
		if err == nil || outcomeOf(err) != verify.NotEvaluated || !strings.Contains(err.Error(), "no answer within 100ms") {
			t.Error(err)
		}
		testkit.Check(t, p.Close())
		return
	}
}

// An endpoint can be an abstract socket, which is no file (ParseEndpoint in k8s.io/kms/pkg/util).
func TestAnAbstractSocketIsReached(t *testing.T) {
	name := "@" + filepath.Base(filepath.Dir(socketPath(t)))
	serveAt(t, name, func(g *grpc.Server) { kms.RegisterKeyManagementServiceServer(g, plugin{version: "v2"}) })
	for _, path := range []string{"unix:///" + name, "/" + name} {
		p, err := kmssocket.Open(t.Context(), path, patient)
		if err != nil {
			t.Error(err)
			continue
		}
		testkit.Check(t, p.Close())
	}
	if _, err := kmssocket.Open(t.Context(), "/"+name+"-", patient); err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Error(err)
	}
}

func outcomeOf(err error) verify.Outcome {
	if failure, ok := errors.AsType[*verify.UnwrapError](err); ok {
		return failure.Outcome
	}
	return verify.NotEvaluated
}
