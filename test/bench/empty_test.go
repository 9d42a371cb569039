package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sealproof/sealproof/test/cluster"
)

// emptySocket, if set in the environment, turns the test binary into a server
// of empty calls: the floor under any plugin, which is another process too.
const emptySocket = "SEALPROOF_BENCH_EMPTY_SOCKET"

const emptyMethod = "/sealproof.bench.Floor/Empty"

func TestMain(m *testing.M) {
	if path := os.Getenv(emptySocket); path != "" {
		if err := serveEmpty(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveEmpty(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "sealproof.bench.Floor",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Empty", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			return in, decode(in)
		}}},
	}, struct{}{})
	return s.Serve(l)
}

// startEmpty starts the server of empty calls and returns one call to it.
func startEmpty(b *testing.B) (call func() error) {
	b.Helper()
	dir, err := os.MkdirTemp("", "floor")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), emptySocket+"="+path)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	call = func() error {
		return conn.Invoke(context.Background(), emptyMethod, new(emptypb.Empty), new(emptypb.Empty))
	}
	if err := cluster.Until(b.Context(), func(context.Context) error { return call() }); err != nil {
		b.Fatal(err)
	}
	return call
}
