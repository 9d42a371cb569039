package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sealproof/sealproof/test/cluster"
)

// floorSocket, if set in the environment, turns the test binary into the floor
// under any plugin, which is another process too: a server of empty calls, and
// of calls that do nothing but one direct request to Vault, as floorVault says.
const (
	floorSocket = "SEALPROOF_BENCH_FLOOR_SOCKET"
	floorVault  = "SEALPROOF_BENCH_FLOOR_VAULT"
)

const floorService = "sealproof.bench.Floor"

func TestMain(m *testing.M) {
	if way := os.Getenv(liveClient); way != "" {
		if err := readLive(way, os.Getenv(liveEtcd)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if path := os.Getenv(floorSocket); path != "" {
		if err := serveFloor(path, os.Getenv(floorVault)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveFloor(path, vault string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	methods := []grpc.MethodDesc{unary("Empty", func([]byte) error { return nil })}
	if vault != "" {
		var c directConfig
		if err := json.Unmarshal([]byte(vault), &c); err != nil {
			return err
		}
		d, err := newDirect(c, 1)
		if err != nil {
			return err
		}
		for _, operation := range []string{"encrypt", "decrypt"} {
			methods = append(methods, unary(operation, func(body []byte) error { return d.send(operation, body) }))
		}
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{ServiceName: floorService, HandlerType: (*any)(nil), Methods: methods}, struct{}{})
	return s.Serve(l)
}

// unary is a method that takes bytes and returns none.
func unary(name string, handle func([]byte) error) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.BytesValue)
		if err := decode(in); err != nil {
			return nil, err
		}
		return new(emptypb.Empty), handle(in.GetValue())
	}}
}

// floor is a client of the floor's process.
type floor struct{ conn *grpc.ClientConn }

// empty makes a call that does nothing.
func (f floor) empty() error { return f.call("Empty", nil) }

// relay has the process make one request to Transit.
func (f floor) relay(operation string, body map[string]any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return f.call(operation, text)
}

func (f floor) call(method string, body []byte) error {
	return f.conn.Invoke(context.Background(), "/"+floorService+"/"+method, wrapperspb.Bytes(body), new(emptypb.Empty))
}

// startFloor starts the floor's process; vault is nil if it need not know Vault.
func startFloor(b *testing.B, vault *directConfig) floor {
	b.Helper()
	dir, err := os.MkdirTemp("", "floor")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), floorSocket+"="+path)
	if vault != nil {
		text, err := json.Marshal(vault)
		if err != nil {
			b.Fatal(err)
		}
		cmd.Env = append(cmd.Env, floorVault+"="+string(text))
	}
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
	f := floor{conn}
	if err := cluster.Until(b.Context(), func(context.Context) error { return f.empty() }); err != nil {
		b.Fatal(err)
	}
	return f
}
