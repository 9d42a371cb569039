package tlsprobe_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/tlsprobe"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/testkit"
)

// etcd is one real member. Package cluster starts etcd with client certificates only; here
// it is started as it should not be, too.
type etcd struct {
	dir                   string
	client, peer, metrics string // host:port
	http                  string // for another one
	log                   string // file
}

// start starts a member and waits until it serves. In args {client}, {peer}, {metrics} and {http}
// stand for its addresses and {dir} for its directory; listen addresses with TLS are the
// default.
func start(t *testing.T, release components.Name, args ...string) *etcd {
	t.Helper()
	binary := clustertest.Options(t, release).Binaries[release].Path
	dir := testkit.Must(os.MkdirTemp("", "tlsprobe"))(t) // short enough for a socket
	t.Cleanup(func() { testkit.Check(t, os.RemoveAll(dir)) })
	for attempt := range 5 {
		e := &etcd{dir: dir, client: freePort(t), peer: freePort(t), metrics: freePort(t), http: freePort(t), log: filepath.Join(dir, fmt.Sprintf("log%d", attempt))}
		given := strings.NewReplacer("{client}", e.client, "{peer}", e.peer, "{metrics}", e.metrics, "{http}", e.http, "{dir}", dir).Replace(strings.Join(args, "\n"))
		flags := append([]string{
			"--name=m0", "--data-dir=" + filepath.Join(dir, fmt.Sprint(attempt)), "--unsafe-no-fsync", "--log-level=info",
			"--listen-client-urls=https://" + e.client, "--advertise-client-urls=https://" + e.client,
			"--listen-peer-urls=https://" + e.peer, "--initial-advertise-peer-urls=https://" + e.peer,
			"--initial-cluster=m0=https://" + e.peer,
		}, strings.Split(given, "\n")...)
		if e.run(t, binary, flags) {
			return e
		}
	}
	t.Fatal("no free ports")
	return nil
}

// run returns false if a port was taken in the meantime.
func (e *etcd) run(t *testing.T, binary string, flags []string) bool {
	t.Helper()
	out := testkit.Must(os.Create(e.log))(t)
	cmd := exec.Command(binary, flags...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, e.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	testkit.Check(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended; out.Close() })
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		switch log := e.lines(t); {
		case strings.Contains(log, "ready to serve client requests") && strings.Contains(log, "serving client traffic"):
			return true
		case strings.Contains(log, "address already in use"):
			return false
		}
		select {
		case <-ended:
			t.Fatalf("etcd has ended:\n%s", e.lines(t))
		default:
		}
	}
	t.Fatalf("etcd does not serve:\n%s", e.lines(t))
	return false
}

func (e *etcd) lines(t *testing.T) string { return string(testkit.Must(os.ReadFile(e.log))(t)) }

func freePort(t *testing.T) string {
	t.Helper()
	l := testkit.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return l.Addr().String()
}

// targets are all addresses of the member that was started with the default ones.
func (e *etcd) targets() []tlsprobe.Target {
	return []tlsprobe.Target{
		{Purpose: facts.ClientPort, URL: "https://" + e.client},
		{Purpose: facts.PeerPort, URL: "https://" + e.peer},
	}
}

func probe(t *testing.T, c tlsprobe.Config) *facts.Wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if c.Limits.Answer == 0 {
		c.Limits.Answer, c.Limits.Silence, c.Limits.Enumeration = patience.Answer, patience.Silence, patience.Enumeration
	}
	wire := testkit.Must(tlsprobe.Run(ctx, c, nil))(t)
	for _, l := range wire.Listeners {
		t.Logf("%s %s %s behind %q unreachable %q skipped %v", l.Purpose, l.URL, l.Version, l.Behind, l.Unreachable, l.Skipped)
		for _, e := range l.Exchanges {
			t.Logf("  tls=%v %-25s %-15s sni=%q asked=%v sent=%v %d %s", e.TLS, e.Request, e.Identity, e.ServerName, e.Asked, e.Sent, e.Outcome, e.Said)
		}
		if s := l.Served; s != nil {
			t.Logf("  served %x %x groups %v enumerated %v verified %v %s", s.Versions, s.Suites, s.Groups, s.Enumerated, s.Verified, s.ChainError)
		}
	}
	return wire
}
