package live_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func startEtcd(t testing.TB, args ...string) *cluster.Etcd {
	t.Helper()
	e, err := clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 1, args...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func configOf(e *cluster.Etcd) live.Config {
	files := e.ClientFiles()
	return live.Config{
		Endpoints: e.Endpoints(), CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key,
		RequestTimeout: 30 * time.Second,
	}
}

func connect(t testing.TB, c live.Config) *live.Store {
	t.Helper()
	s, err := live.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func pin(t testing.TB, s *live.Store, prefix string) *live.Snapshot {
	t.Helper()
	snap, err := s.Pin(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func put(t testing.TB, e *cluster.Etcd, key, value string) {
	t.Helper()
	if _, err := e.Client().Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

// fill puts n values in transactions of 100, in parallel with nothing.
func fill(t testing.TB, e *cluster.Etcd, prefix string, n int, value string) {
	t.Helper()
	for from := 0; from < n; from += 100 {
		var ops []clientv3.Op
		for i := from; i < min(n, from+100); i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s%07d", prefix, i), value))
		}
		if _, err := e.Client().Txn(t.Context()).Then(ops...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASnapshotIsExactWhileKeysChange(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", 2000, "before")
	put(t, e, "/registry2/secrets/default/other", "not under the prefix")
	put(t, e, "/registry", "neither")
	put(t, e, "compact_rev_key", "what every API server keeps")

	snap := pin(t, connect(t, configOf(e)), "/registry")
	if snap.Keys != 2000 || snap.Prefix != "/registry/" || snap.Outside != 2 {
		t.Fatalf("%d keys under %s, %d elsewhere", snap.Keys, snap.Prefix, snap.Outside)
	}
	pages, next := 0, 0
	var seen []record.Record
	err := snap.Read(t.Context(), func(page []record.Record) error {
		seen = page
		for _, kv := range page {
			if want := fmt.Sprintf("/registry/secrets/default/s%07d", next); string(kv.Key) != want || string(kv.Value) != "before" {
				return fmt.Errorf("got %s, want %s with its old value", kv.Key, want)
			}
			next++
		}
		// Behind the cursor and before it: changed, deleted, new.
		for _, i := range []int{next - 1, next + 1} {
			put(t, e, fmt.Sprintf("/registry/secrets/default/s%07d", i), "after")
		}
		if _, err := e.Client().Delete(t.Context(), fmt.Sprintf("/registry/secrets/default/s%07d", next+3)); err != nil {
			return err
		}
		put(t, e, fmt.Sprintf("/registry/secrets/default/s%07d-new", next+4), "after")
		pages++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != 2000 || pages < 3 {
		t.Errorf("%d keys in %d pages, want all 2000 in several", next, pages)
	}
	if seen[0].Key != nil {
		t.Error("a page stays in memory after it was read")
	}
}

func TestNoKeysAreNoError(t *testing.T) {
	e := startEtcd(t)
	snap := pin(t, connect(t, configOf(e)), "/registry/")
	if err := snap.Read(t.Context(), func([]record.Record) error {
		return errors.New("a page of nothing")
	}); err != nil || snap.Keys != 0 || snap.Revision == 0 || snap.ClusterID == "" {
		t.Errorf("%v, %+v", err, snap)
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", 500, "v")
	snap := pin(t, connect(t, configOf(e)), "/registry")
	ctx, cancel := context.WithCancel(t.Context())
	err := snap.Read(ctx, func([]record.Record) error { cancel(); return nil })
	want(t, err, "interrupted")
}

func TestAnErrorOfThePageEndsTheReading(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", 100, "v")
	snap := pin(t, connect(t, configOf(e)), "/registry")
	mine := errors.New("mine")
	pages := 0
	if err := snap.Read(t.Context(), func([]record.Record) error { pages++; return mine }); !errors.Is(err, mine) || pages != 1 {
		t.Errorf("%v after %d pages", err, pages)
	}
}

func TestEveryWayOfNotReachingEtcdIsToldApart(t *testing.T) {
	e := startEtcd(t)
	other, err := cluster.NewAuthority(t.TempDir(), "other")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Client("stranger")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.NotFoundHandler()
	plain, named := httptest.NewServer(handler), httptest.NewUnstartedServer(handler) // its certificate is for 127.0.0.1 and example.com
	named.EnableHTTP2 = true
	named.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(named.Close)
	silent := silentPort(t)
	host := strings.TrimPrefix(e.Endpoints()[0], "https://")

	tests := []struct {
		name string
		edit func(*live.Config)
		text string
	}{
		{"nothing listens", func(c *live.Config) { c.Endpoints = []string{"https://127.0.0.1:1"} }, "nothing listens there"},
		{"the name does not resolve", func(c *live.Config) { c.Endpoints = []string{"https://etcd.invalid:2379"} }, "does not resolve"},
		{"a socket that never answers", func(c *live.Config) {
			c.Endpoints, c.RequestTimeout = []string{"https://" + silent}, 500*time.Millisecond
		}, "nothing answers"},
		{"a CA that did not sign etcd's certificate", func(c *live.Config) { c.CAFile = other.CAFile() }, "not signed by the CA that it was checked with"},
		{"no CA", func(c *live.Config) { c.CAFile = "" }, "not signed by a CA of this system, and no other CA was given"},
		{"a certificate for another name", func(c *live.Config) {
			c.Endpoints, c.CAFile = []string{strings.Replace(named.URL, "127.0.0.1", "localhost", 1)}, certificateFile(t, named)
		}, "for another name"},
		{"https to a port without TLS", func(c *live.Config) { c.Endpoints = []string{"https://" + plain.Listener.Addr().String()} }, "does not speak TLS"},
		{"something that is not etcd", func(c *live.Config) {
			c.Endpoints, c.CAFile = []string{named.URL}, certificateFile(t, named)
		}, "refuses the request"},
		{"a client certificate of another CA", func(c *live.Config) { c.CertFile, c.KeyFile = stranger.Cert, stranger.Key }, "does not accept this client's certificate"},
		{"no client certificate", func(c *live.Config) { c.CertFile, c.KeyFile = "", "" }, "wants a client certificate, and none was given"},
		{"http to a TLS port", func(c *live.Config) {
			*c = live.Config{Endpoints: []string{"http://" + host}, RequestTimeout: c.RequestTimeout}
		}, "https://"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := configOf(e)
			c.RequestTimeout = 20 * time.Minute
			tt.edit(&c)
			s := connect(t, c)
			start := time.Now()
			_, err := s.Pin(t.Context(), "/registry")
			want(t, err, tt.text)
			// None of them is found out by waiting for a request to time out.
			if taken := time.Since(start); taken > 5*time.Minute {
				t.Errorf("only after %v", taken)
			}
		})
	}
}

func TestSettingsThatCannotWorkAreRefusedBeforeConnecting(t *testing.T) {
	other, err := cluster.NewAuthority(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	files, err := other.Client("client")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := other.Client("stranger")
	if err != nil {
		t.Fatal(err)
	}
	good := live.Config{Endpoints: []string{"https://127.0.0.1:1"}, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, RequestTimeout: time.Second}
	tests := []struct {
		name string
		edit func(*live.Config)
		text string
	}{
		{"no endpoint", func(c *live.Config) { c.Endpoints = nil }, "no etcd endpoint"},
		{"an endpoint without port", func(c *live.Config) { c.Endpoints = []string{"https://etcd"} }, "want host and port"},
		{"an endpoint with a path", func(c *live.Config) { c.Endpoints = []string{"https://etcd:2379/v3"} }, "nothing may follow"},
		{"another scheme", func(c *live.Config) { c.Endpoints = []string{"ftp://etcd:2379"} }, "want https://host:port"},
		{"http with certificates", func(c *live.Config) { c.Endpoints = []string{"http://etcd:2379"} }, "http does not use them"},
		{"a password in the URL", func(c *live.Config) { c.Endpoints = []string{"https://root:hunter2@etcd:2379"} }, "use the environment"},
		{"another host without a scheme", func(c *live.Config) { *c = live.Config{Endpoints: []string{"etcd:2379"}} }, "endpoint 1 of 1: write https:// before it"},
		{"another address without a scheme", func(c *live.Config) { *c = live.Config{Endpoints: []string{"10.0.0.1:2379"}} }, "write https:// before it"},
		{"http and https mixed", func(c *live.Config) {
			*c = live.Config{Endpoints: []string{"https://a:1", "http://b:1"}}
		}, "cannot be mixed"},
		{"a CA file that is not there", func(c *live.Config) { c.CAFile = "/no/such/file" }, "/no/such/file"},
		{"a CA file without certificate", func(c *live.Config) { c.CAFile = files.Key }, "no PEM certificate"},
		{"a certificate without key", func(c *live.Config) { c.KeyFile = "" }, "needs both"},
		{"a key of another certificate", func(c *live.Config) { c.KeyFile = stranger.Key }, "does not match"},
		{"a user without password", func(c *live.Config) { c.Username = "root" }, "without a password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.edit(&c)
			_, err := live.Connect(t.Context(), c)
			wantBadConfig(t, err, tt.text)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestAuthenticationAndPermission(t *testing.T) {
	ctx := t.Context()
	e := startEtcd(t)
	put(t, e, "/registry/secrets/default/s", "v")
	admin := e.Client()
	steps := []func() error{
		func() error { _, err := admin.UserAdd(ctx, "root", "rootpw"); return err },
		func() error { _, err := admin.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := admin.UserAdd(ctx, "auditor", "auditpw"); return err },
		func() error { _, err := admin.UserAdd(ctx, "nobody", "nobodypw"); return err },
		func() error { _, err := admin.RoleAdd(ctx, "reader"); return err },
		func() error {
			_, err := admin.RoleGrantPermission(ctx, "reader", "/registry/", clientv3.GetPrefixRangeEnd("/registry/"), clientv3.PermissionType(clientv3.PermRead))
			return err
		},
		func() error { _, err := admin.UserGrantRole(ctx, "auditor", "reader"); return err },
		func() error { _, err := admin.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user, password string) live.Config {
		c := configOf(e)
		c.Username, c.Password = user, password
		return c
	}
	t.Run("a reader of the prefix may read", func(t *testing.T) {
		snap := pin(t, connect(t, as("auditor", "auditpw")), "/registry")
		if err := snap.Read(t.Context(), func([]record.Record) error { return nil }); err != nil || snap.Keys != 1 || snap.Outside != -1 {
			t.Errorf("%v, %d keys, %d elsewhere", err, snap.Keys, snap.Outside)
		}
	})
	t.Run("a user without the role is told which to grant", func(t *testing.T) {
		_, err := connect(t, as("nobody", "nobodypw")).Pin(t.Context(), "/registry")
		want(t, err, "etcdctl role grant-permission ROLE read --prefix=true /registry/")
	})
	t.Run("a certificate whose name is no user is refused", func(t *testing.T) {
		_, err := connect(t, as("", "")).Pin(t.Context(), "/registry")
		want(t, err, "user")
	})
	t.Run("a wrong password is said to be one, and not repeated", func(t *testing.T) {
		_, err := live.Connect(t.Context(), as("auditor", "wrong-password"))
		want(t, err, "refuses the user or the password")
		if strings.Contains(err.Error(), "wrong-password") {
			t.Error("the password is in the error")
		}
	})
}

func TestSeveralEndpointsServeOneSnapshot(t *testing.T) {
	e, err := clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, e, "/registry/secrets/default/s", 3000, "v")
	snap := pin(t, connect(t, configOf(e)), "/registry")
	read, killed := 0, false
	if err := snap.Read(t.Context(), func(page []record.Record) error {
		read += len(page)
		if killed {
			return nil
		}
		killed = true
		return e.Member(0).Kill()
	}); err != nil || read != 3000 {
		t.Errorf("%d keys, %v", read, err)
	}
}

func want(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// wantBadConfig is for what the operator has to correct.
func wantBadConfig(t *testing.T, err error, texts ...string) {
	t.Helper()
	want(t, err, texts...)
	if live.KindOf(err) != live.BadConfig {
		t.Errorf("not said to be a mistake of the settings: %v", err)
	}
}

// certificateFile makes the test server's own certificate a CA file.
func certificateFile(t *testing.T, s *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// silentPort accepts connections and never says a word: a member that hangs.
func silentPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // the kernel accepts on behalf of the program
}

func TestAnotherNumberOfKeysThanEtcdCountsIsAnError(t *testing.T) {
	e := startEtcd(t)
	fill(t, e, "/registry/secrets/default/s", 100, "v")
	snap := pin(t, connect(t, configOf(e)), "/registry")
	snap.Keys++ // as if one key had not been delivered, which no sound etcd does
	err := snap.Read(t.Context(), func([]record.Record) error { return nil })
	want(t, err, "100 keys were read, but etcd counts 101")
}
