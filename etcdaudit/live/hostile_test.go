package live_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sealproof/sealproof/etcdaudit/live"
)

// escape clears a terminal; what follows it looks like a line of our own.
const escape = "\x1b[2J\netcdaudit: PASS"

// forger answers every read with an error of its own making.
type forger struct {
	pb.UnimplementedKVServer
	code codes.Code
}

func (f forger) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return nil, status.Error(f.code, escape)
}

func TestWhatAServerSaysCannotSteerTheTerminal(t *testing.T) {
	for name, endpoint := range map[string]string{
		"in an answer":                     forgedAnswers(t, codes.Internal),
		"in an answer that looks too long": forgedAnswers(t, codes.ResourceExhausted),
		"in a certificate":                 forgedCertificate(t),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, live.Config{Endpoints: []string{endpoint}, RequestTimeout: time.Minute}).Pin(t.Context(), "/registry")
			if err == nil || !strings.Contains(err.Error(), `\x1b[2J`) {
				t.Fatalf("%v: the test has lost its object", err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("passed on as it came: %q", err)
			}
		})
	}
}

func forgedAnswers(t *testing.T, code codes.Code) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterKVServer(s, forger{code: code})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "http://" + l.Addr().String()
}

func forgedCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{escape}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "https://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}

func TestAnEndpointThatCannotBeReadIsNotShown(t *testing.T) {
	for _, endpoint := range []string{"https://root:hunter2%zz@etcd:2379", "https://root:hun ter2@etcd:2379", "https://etcd:hunter2", "https://etcd:2379/%hunter2"} {
		_, err := live.Connect(t.Context(), live.Config{Endpoints: []string{"https://127.0.0.1:1", endpoint}, RequestTimeout: time.Second})
		wantBadConfig(t, err, "endpoint 2 of 2 is no URL")
		if strings.Contains(err.Error(), "hun") {
			t.Errorf("shown: %v", err)
		}
	}
}
