package live_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/sealproof/sealproof/etcdaudit/live"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/test/components"
)

// startOnSocket runs a real etcd whose clients come by a socket, without TLS, and
// returns its endpoint.
func startOnSocket(t *testing.T) string {
	t.Helper()
	bin, err := components.Build(t.Context(), t.Output(), components.Etcd)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	client, peer := "unix://"+filepath.Join(dir, "c.sock"), "unix://"+filepath.Join(dir, "p.sock")
	cmd := exec.CommandContext(t.Context(), bin.Path(components.Etcd), "--name", "one", "--data-dir", filepath.Join(dir, "data"),
		"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(log)
		once := sync.OnceFunc(func() { close(ready) })
		for lines.Scan() {
			if strings.Contains(lines.Text(), "ready to serve client requests") {
				once()
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatal("etcd ended before it was ready")
	}
	return client
}

func TestSocketsAreEndpoints(t *testing.T) {
	client := startOnSocket(t)
	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{client}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	if _, err := admin.Put(t.Context(), "/registry/secrets/default/s", "v"); err != nil {
		t.Fatal(err)
	}
	store := connect(t, ofEndpoint(client))
	snap := pin(t, store, "/registry")
	if err := snap.Read(t.Context(), func([]record.Record) error { return nil }); err != nil || snap.Keys != 1 || snap.Outside != 0 || snap.StandIn != "" {
		t.Errorf("%v, %+v", err, snap)
	}
	if e := store.Endpoints(); len(e) != 1 || e[0] != client {
		t.Errorf("%v", e)
	}
}

func TestSocketsThatDoNotServeAreToldApart(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for socket, text := range map[string]string{filepath.Join(dir, "none.sock"): "there is no such socket", stale: "nothing listens there"} {
		_, err := connect(t, ofEndpoint("unix://"+socket)).Pin(t.Context(), "/registry")
		want(t, err, text, socket)
	}
}

// The certificate is one that the peer port accepts too, as kubeadm's are.
func TestThePeerPortIsSaidToBeOne(t *testing.T) {
	e := startEtcd(t)
	for name, user := range map[string]string{"for the first request": "", "for the login": "root"} {
		t.Run(name, func(t *testing.T) {
			c := configOf(e)
			c.Endpoints, c.Username, c.Password = []string{e.Member(0).PeerURL}, user, user
			// Waiting for the end of a request would take longer than the test may.
			c.RequestTimeout = time.Hour
			s, err := live.Connect(t.Context(), c)
			if err == nil {
				defer func() { _ = s.Close() }()
				_, err = s.Pin(t.Context(), "/registry")
			}
			want(t, err, "port for its other members", "2379", e.Member(0).PeerURL)
		})
	}
}

// An etcd before 3.6 closes the connection instead. The server here is a fake
// that does the same.
func TestAPeerPortThatClosesIsNotTakenForARefusedCertificate(t *testing.T) {
	members := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/members" {
			w.Header().Set("X-Etcd-Cluster-ID", "1")
		} else {
			http.NotFound(w, r)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(members))
	server.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}, ClientAuth: tls.RequestClientCert}
	server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) { _ = conn.Close() },
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	c := ofEndpoint(server.URL)
	c.CAFile = certificateFile(t, server)
	_, err := connect(t, c).Pin(t.Context(), "/registry")
	want(t, err, "port for its other members")
}

func TestAServerThatSpeaksOnlyHTTP1IsNotEtcd(t *testing.T) {
	everything := func(http.ResponseWriter, *http.Request) {} // found, but no list of members
	plain := httptest.NewServer(http.HandlerFunc(everything))
	t.Cleanup(plain.Close)
	_, err := connect(t, ofEndpoint(plain.URL)).Pin(t.Context(), "/registry")
	want(t, err, "does not speak gRPC")
}

func TestEndpointsThatCannotBeMeantAreRefused(t *testing.T) {
	for endpoint, text := range map[string]string{
		"unix://kine.sock":         "the socket's full path",
		"unix://host/run/k.sock":   "the socket's full path",
		"unix:///":                 "the socket's full path",
		"unix:///run/k.sock?x=1":   "nothing may follow",
		"unix://user:pw@/run/sock": "use the environment",
		"unixs:///run/k.sock":      "", // accepted: with TLS
		"unix:///run/k.sock":       "certificates are given but unix does not use them; write unixs",
	} {
		c := ofEndpoint(endpoint)
		if strings.HasPrefix(endpoint, "unix:///run/k.sock") && !strings.Contains(endpoint, "?") {
			c.CAFile = "/no/such/file"
		}
		_, err := live.Connect(t.Context(), c)
		switch {
		case text == "" && err != nil:
			t.Errorf("%s: %v", endpoint, err)
		case text != "":
			wantBadConfig(t, err, text)
		}
	}
}
