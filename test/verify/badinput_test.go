package verify_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	kms "k8s.io/kms/apis/v2"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/testkit"
)

// between stands between the auditor and a plugin.
type between struct {
	kms.UnimplementedKeyManagementServiceServer
	decrypt func(context.Context, *kms.DecryptRequest) (*kms.DecryptResponse, error)
}

func (b between) Status(context.Context, *kms.StatusRequest) (*kms.StatusResponse, error) {
	return &kms.StatusResponse{Version: "v2", Healthz: "ok", KeyId: "k"}, nil
}

func (b between) Decrypt(ctx context.Context, req *kms.DecryptRequest) (*kms.DecryptResponse, error) {
	return b.decrypt(ctx, req)
}

func (b between) Encrypt(context.Context, *kms.EncryptRequest) (*kms.EncryptResponse, error) {
	return nil, status.Error(codes.PermissionDenied, "nothing is to be encrypted")
}

// serve serves on a socket until the test ends.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp("", "v"))(t) // a socket's path is short
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l := testkit.Must(net.Listen("unix", path))(t)
	g := grpc.NewServer()
	register(g)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); testkit.Check(t, <-done) })
	return path
}

func servePlugin(t *testing.T, decrypt func(context.Context, *kms.DecryptRequest) (*kms.DecryptResponse, error)) string {
	t.Helper()
	return serve(t, func(g *grpc.Server) { kms.RegisterKeyManagementServiceServer(g, between{decrypt: decrypt}) })
}

// badInput opens a snapshot with what does not open it. All else goes on, and is said in a line.
func (a auditor) badInput(ctx context.Context, t *testing.T, snapshot string) {
	t.Helper()
	file := func(text string) string {
		path := filepath.Join(testkit.Must(os.MkdirTemp(a.dir, "bad"))(t), "file")
		testkit.Check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	another := serve(t, func(g *grpc.Server) { healthpb.RegisterHealthServer(g, health.NewServer()) })
	refusing := servePlugin(t, func(context.Context, *kms.DecryptRequest) (*kms.DecryptResponse, error) {
		return nil, status.Error(codes.FailedPrecondition, "not on a Saturday\x1b[2J")
	})
	hanging := servePlugin(t, func(ctx context.Context, _ *kms.DecryptRequest) (*kms.DecryptResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	lying := servePlugin(t, func(context.Context, *kms.DecryptRequest) (*kms.DecryptResponse, error) {
		return &kms.DecryptResponse{Plaintext: bytes.Repeat([]byte{7}, 32)}, nil
	})
	text := string(testkit.Must(os.ReadFile(a.encryption))(t))
	wrongKey := file(strings.Replace(text, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk=", 1))
	away := slices.Clone(a.transit())
	away[slices.Index(away, "--vault-address")+1] = "https://127.0.0.1:1"

	for name, tc := range map[string]struct {
		args   []string
		status auditv1.Status
		says   string
		opened uint32 // at least
	}{
		"a socket of another service": {[]string{"--plugin-socket", another}, open, "it answers, but not as KMS v2", 15},
		"a plugin that refuses":       {[]string{"--plugin-socket", refusing}, fails, "11 refused", 15},
		"a plugin that hangs":         {[]string{"--plugin-socket", hanging, "--unwrap-timeout", "500ms"}, open, "no answer within 500ms", 15},
		"a plugin that lies":          {[]string{"--plugin-socket", lying}, fails, "11 damaged", 15},
		"and one that does not":       {[]string{"--plugin-socket", another, "--plugin-socket", refusing, "--plugin-socket", a.socket}, passes, "each of ", 26},
		"Vault is away":               {append(away, "--unwrap-timeout", "500ms"), open, "transit/keys/kubernetes", 15},
		"a wrong key in the file":     {append(a.transit(), "--encryption-provider-config", wrongKey), fails, "wrong key", 15},
	} {
		t.Run(name, func(t *testing.T) {
			s := a.scan(ctx, t, slices.Concat([]string{"--encryption-provider-config", a.encryption}, tc.args, []string{snapshot})...)
			r := s.wants(t, "EA-141", "live:", tc.status, tc.says)
			if one := s.Verification.Verified[0]; one.Opened < tc.opened || strings.Contains(s.table+s.errs, "\x1b") {
				t.Errorf("%v\n%s", one, s.errs)
			}
			// What is plaintext and not encrypted by it is no matter of a plugin.
			if want := map[auditv1.Status]int{fails: 1, open: 2, passes: 0}[tc.status]; s.status < want {
				t.Errorf("status %d, %v", s.status, r)
			}
		})
	}
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"no socket":                 {[]string{"--plugin-socket", "/not/there"}, "plugin-socket: KMS plugin /not/there: no socket is there"},
		"a file":                    {[]string{"--plugin-socket", wrongKey}, "no socket, but something else"},
		"nothing":                   {nil, "verify: there is nothing to open values with: give --plugin-socket"},
		"no token":                  {[]string{"--transit", "--vault-address", "https://127.0.0.1:1", "--vault-key", "k"}, "vault-token-file: name the file that holds the token"},
		"no such token":             {[]string{"--transit", "--vault-address", "https://127.0.0.1:1", "--vault-key", "k", "--vault-token-file", "/not/there"}, "vault-token-file: stat /not/there"},
		"no key of Vault":           {[]string{"--transit", "--vault-address", "https://127.0.0.1:1", "--vault-token-file", a.token}, "vault-key: name the Transit key"},
		"Vault without TLS":         {[]string{"--transit", "--vault-address", "http://192.0.2.1:1", "--vault-key", "k", "--vault-token-file", a.token}, "would send the token and keys in the clear"},
		"a pace that is none":       {[]string{"--plugin-socket", a.socket, "--unwrap-rate", "0"}, "unwrap-rate: 0: want 1 to 10000 requests a second"},
		"a timeout that is none":    {[]string{"--plugin-socket", a.socket, "--unwrap-timeout", "0s"}, "unwrap-timeout: 0s: must be above zero"},
		"a broken configuration":    {[]string{"--encryption-provider-config", file("kind: X\n")}, "apiserver.config.k8s.io/v1"},
		"Vault without the Transit": {[]string{"--vault-key", "k"}, "--vault-key: it is about a Transit key in Vault"},
	} {
		t.Run(name, func(t *testing.T) {
			if s := a.scan(ctx, t, append(tc.args, snapshot)...); s.status != 3 || !strings.Contains(s.errs, tc.says) || strings.Count(s.errs, "\n") != 1 {
				t.Errorf("status %d: %s", s.status, s.errs)
			}
		})
	}
}

// workFiles looks into the files that a scan works in, while it opens values: it is held at its
// last DEK source.
func (a auditor) workFiles(ctx context.Context, t *testing.T, plugin kms.KeyManagementServiceClient, snapshot string) {
	t.Helper()
	work := testkit.Must(os.MkdirTemp(a.dir, "work"))(t)
	packed := filepath.Join(a.dir, "packed.db.gz")
	out := testkit.Must(os.Create(filepath.Clean(packed)))(t)
	zip := gzip.NewWriter(out)
	testkit.Must(zip.Write(testkit.Must(os.ReadFile(filepath.Clean(snapshot)))(t)))(t)
	testkit.Check(t, zip.Close())
	testkit.Check(t, out.Close())

	held, goOn := make(chan struct{}), make(chan struct{})
	var sources atomic.Int64
	socket := servePlugin(t, func(ctx context.Context, req *kms.DecryptRequest) (*kms.DecryptResponse, error) {
		if sources.Add(1) == 3 {
			close(held)
			select {
			case <-goOn:
			case <-ctx.Done():
			}
		}
		return plugin.Decrypt(ctx, req)
	})
	done := make(chan scanned, 1)
	go func() {
		done <- a.scan(ctx, t, "--plugin-socket", socket, "--unwrap-rate", "1", "--encryption-provider-config", a.encryption, "--timeline", "--work-dir", work, packed)
	}()
	select {
	case <-held:
	case <-time.After(patient):
		t.Fatal("the third source was not asked for")
	}
	looked := 0
	for _, link := range testkit.Must(filepath.Glob("/proc/[0-9]*/fd/*"))(t) {
		if target, err := os.Readlink(link); err != nil || !strings.HasPrefix(target, work) {
			continue
		}
		text := testkit.Must(os.ReadFile(link))(t)
		a.refuse(t, "a work file", text)
		if bytes.Contains(text, []byte("k8s:enc:kms:v2:p:")) {
			looked++
		}
		limits := string(testkit.Must(os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(link)), "limits")))(t))
		if i := strings.Index(limits, "Max core file size"); i < 0 || !slices.Equal(strings.Fields(limits[i:])[4:6], []string{"0", "0"}) {
			t.Errorf("the process can leave a core: %s", limits)
		}
	}
	close(goOn)
	s := <-done
	if looked == 0 {
		t.Error("the database is in no work file: the test looks in the wrong place")
	}
	if one := s.Verification.GetVerified(); len(one) == 0 || one[0].Opened == 0 || s.Verification.DekSources < 3 {
		t.Errorf("%v: %s", s.Verification, s.errs)
	}
	if left := testkit.Must(os.ReadDir(work))(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
