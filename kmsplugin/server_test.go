package kmsplugin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/kmsplugin/keystate"
	pluginv1 "github.com/sealproof/sealproof/proto/sealproof/plugin/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a plugin on a real socket, with a key store in memory.
type served struct {
	kms      kmsapi.KeyManagementServiceClient
	conn     *grpc.ClientConn
	store    *fakeStore
	service  *Service
	registry *prometheus.Registry
	log      *lines
	shutdown func() error
}

func serveForTest(t *testing.T, change func(*Config)) *served {
	t.Helper()
	c := testConfig()
	if change != nil {
		change(&c)
	}
	s := &served{store: newFakeStore(time.Now), registry: prometheus.NewRegistry(), log: &lines{}}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := fakeClient{s.store, SinceBoot}
	s.service = NewService(c, Parts{
		Writes: Source{Name: "vault", Path: "transit/k8s", Backend: store},
		Boot:   SinceBoot, Metrics: NewMetrics(s.registry), Log: log,
	})

	dir := testkit.Must(os.MkdirTemp("", "kms"))(t)
	path := filepath.Join(dir, "s")
	l := testkit.Must(net.Listen("unix", path))(t)
	ctx, cancel := context.WithCancel(t.Context())
	kept, done := make(chan struct{}), make(chan error, 1)
	go func() { s.service.Run(ctx); close(kept) }()
	// So long that it is no test of how busy the machine is.
	go func() { done <- s.service.Serve(ctx, l, time.Minute) }()
	s.shutdown = func() error { cancel(); <-kept; return <-done }
	s.conn = testkit.Must(grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials())))(t)
	s.kms = kmsapi.NewKeyManagementServiceClient(s.conn)
	t.Cleanup(func() {
		_ = s.conn.Close()
		cancel()
		<-kept
		_ = os.RemoveAll(dir)
	})
	eventually(t, func() error {
		_, err := s.kms.Status(t.Context(), &kmsapi.StatusRequest{})
		return err
	})
	return s
}

// eventually tries until it succeeds, and fails with the last error after a minute.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("a minute has passed: ", err)
		}
	}
}

func TestTheSocketSpeaksKMSv2(t *testing.T) {
	s := serveForTest(t, nil)
	e := testkit.Must(s.kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: []byte("seed"), Uid: "uid-of-the-api-server"}))(t)
	d, err := s.kms.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "another-uid"})
	if err != nil || string(d.Plaintext) != "seed" {
		t.Fatalf("got %v, %v", d, err)
	}
	if e.Ciphertext[0] ^= 0xff; true {
		_, err = s.kms.Decrypt(t.Context(), &kmsapi.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "refused-uid"})
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("damaged ciphertext: %v", err)
	}
	for _, uid := range []string{"uid-of-the-api-server", "another-uid", "refused-uid"} {
		if !strings.Contains(s.log.String(), `"uid":"`+uid+`"`) {
			t.Errorf("the log does not name %s", uid)
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestAnOversizedRequestIsRefused(t *testing.T) {
	s := serveForTest(t, nil)
	_, err := s.kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, envelope.MaxSeed+1)})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a large plaintext: %v", err)
	}
	_, err = s.kms.Encrypt(t.Context(), &kmsapi.EncryptRequest{Plaintext: make([]byte, 1<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message beyond all bounds: %v", err)
	}
}

func TestADefectFailsOneRequestAndSaysNothingOfIt(t *testing.T) {
	s := serveForTest(t, nil)
	good := s.service.sources[0].monitor
	s.service.sources[0].monitor = &keystate.Monitor{} // what a defect would do
	_, err := s.kms.Status(t.Context(), &kmsapi.StatusRequest{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("got %v", err)
	}
	stream, err := pluginv1.NewPluginServiceClient(s.conn).Rehearse(t.Context(), &pluginv1.RehearseRequest{Duration: durationpb.New(time.Minute)})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("a stream: %v", err)
	}
	if strings.Count(s.log.String(), "defect") != 2 {
		t.Error("the log does not say so")
	}
	s.service.sources[0].monitor = good
	if _, err := s.kms.Status(t.Context(), &kmsapi.StatusRequest{}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestShutdownLetsRequestsFinishAndEnds(t *testing.T) {
	s := serveForTest(t, func(c *Config) { c.Envelope = EnvelopeVault; c.RequestTimeout = time.Second })
	s.store.set(func(f *fakeStore) { f.hang = true })
	answer := make(chan error, 1)
	go func() {
		_, err := s.kms.Encrypt(context.WithoutCancel(t.Context()), &kmsapi.EncryptRequest{Plaintext: []byte("x")})
		answer <- err
	}()
	eventually(t, func() error {
		if len(s.service.sources[0].turns.asking) == 0 {
			return errors.New("the request does not wait")
		}
		return nil
	})
	if err := s.shutdown(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-answer; status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the request under way: %v", err)
	}
}

func TestHealthNeverBlamesVaultOnTheProcess(t *testing.T) {
	s := serveForTest(t, nil)
	handler := NewHandler(s.service, s.registry)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		body := testkit.Must(io.ReadAll(w.Body))(t)
		return w.Code, string(body)
	}
	health := grpc_health_v1.NewHealthClient(s.conn)
	if h, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil || h.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("gRPC health: %v, %v", h, err)
	}
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	_, metrics := get("/metrics")
	for _, want := range []string{
		"sealproof_serving 1", "sealproof_write_version 1", `sealproof_vault_state{source="vault",state="ok"} 1`,
		`sealproof_key_id_info{key_id_hash="sha256:`, "sealproof_lease_remaining_seconds", `sealproof_held{kind="local_kek"} 1`,
		`sealproof_kms_requests_total{code="OK",method="Status"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	s.service.sources[0].monitor = keystate.New(testConfig().keySettings(false, false), keystate.Parts{Boot: SinceBoot, Unwrapped: s.service.sources[0]})
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("livez without a key: %d", code)
	}
	if code, text := get("/readyz"); code != 503 || !strings.Contains(text, "not ready") {
		t.Errorf("readyz without a key: %d %s", code, text)
	}
	if h, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil || h.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("gRPC health without a key: %v, %v", h, err)
	}
	_, metrics = get("/metrics")
	if !strings.Contains(metrics, "sealproof_serving 0") {
		t.Error("/metrics says it serves")
	}
}
