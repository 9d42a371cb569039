package hostconfig_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig/apimetrics"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
)

func TestRunningProcessesAreReadFromProc(t *testing.T) {
	opts := clustertest.Options(t, components.Etcd, components.APIServer)
	c := clustertest.Start(t, opts)
	etcd, err := c.StartEtcd(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.StartAPIServer(t.Context(), cluster.APIServerOptions{Etcd: etcd, Audit: true})
	if err != nil {
		t.Fatal(err)
	}
	impostors(t)
	metrics, err := apimetrics.Get(t.Context(), api.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	h, err := hostconfig.Read(t.Context(), hostconfig.Options{Metrics: metrics, Now: began})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read in %v", time.Since(began))

	for i := range etcd.Members() {
		m := etcd.Member(i)
		e := h.Etcds[slices.IndexFunc(h.Etcds, func(e facts.Etcd) bool { return e.Process.PID == m.PID() })]
		checkProcess(t, e.Process, opts.Binaries[components.Etcd])
		if e.Config.Refused != "" || e.Config.NotEvaluated != "" || e.Config.DataDir != m.DataDir || !slices.Equal(e.Config.ListenClient, []string{m.Endpoint}) || !e.Config.Client.ClientCertAuth {
			t.Errorf("configuration: %+v", e.Config)
		}
		want := []facts.Bound{{Address: address(t, m.Endpoint)}, {Address: address(t, m.PeerURL)}}
		slices.SortFunc(want, func(a, b facts.Bound) int { return strings.Compare(a.Address, b.Address) })
		if !slices.Equal(e.Bound, want) {
			t.Errorf("listens on %v, not %v", e.Bound, want)
		}
		if f := e.Files[e.Config.Client.Key]; !f.Exists || f.ContentErr != "" || f.Mode.Perm() != 0o600 || f.UID != os.Geteuid() || f.Changed.IsZero() {
			t.Errorf("the key: %+v", f)
		}
		if f := e.Files[e.Config.Client.Cert]; len(f.Certificates) != 1 || f.ContentErr != "" {
			t.Errorf("the certificate: %+v", f)
		}
	}
	for _, e := range h.Etcds {
		if exe := filepath.Base(e.Process.Executable); exe != "etcd" {
			t.Errorf("%s is taken for an etcd", e.Process.Executable)
		}
	}

	a := h.APIServers[slices.IndexFunc(h.APIServers, func(a facts.APIServer) bool { return a.Process.PID == api.PID() })]
	checkProcess(t, a.Process, opts.Binaries[components.APIServer])
	if a.Config.Refused != "" || len(a.Config.Unknown) > 0 || !slices.Equal(a.Config.Secrets().Servers, etcd.Endpoints()) || !a.Config.EncryptionReload {
		t.Errorf("configuration: %+v", a.Config)
	}
	if e := a.Encryption; e.Config == nil || e.Hash == "" || e.Hash != e.InForce {
		t.Errorf("the EncryptionConfiguration: %+v", e)
	}
	if a.Audit == nil || a.Audit.Levels[0] != (facts.AuditLevel{Verbs: "get, list, watch", Level: "Metadata", Rule: 1}) {
		t.Errorf("the audit policy: %+v", a.Audit)
	}

	found := hostconfig.Discover(h)
	for _, want := range []struct {
		purpose facts.Purpose
		url     string
	}{{facts.ClientPort, etcd.Member(0).Endpoint}, {facts.PeerPort, etcd.Member(1).PeerURL}} {
		if !slices.ContainsFunc(found.Listeners, func(l facts.Listener) bool { return l.Purpose == want.purpose && l.URL == want.url }) {
			t.Errorf("%s is not discovered: %+v", want.url, found.Listeners)
		}
	}
	if files := etcd.ClientFiles(); !slices.ContainsFunc(found.Clients, func(c hostconfig.Client) bool { return c.CA == files.CA && c.Cert == files.Cert && c.Key == files.Key }) {
		t.Errorf("no client certificate is discovered: %+v", found.Clients)
	}
}

// impostors starts processes that have etcd's name and are none.
func impostors(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "etcd")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread line\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{script, "--listen-client-urls=http://127.0.0.1:1"},
		{"/bin/sh", "-c", "read line; exit 0 # etcd --listen-client-urls=http://127.0.0.1:1"},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stdin.Close(); cmd.Wait() }) // it reads a line and ends
	}
}

func checkProcess(t *testing.T, p *facts.Process, program components.Binary) {
	t.Helper()
	version := strings.TrimPrefix(program.Version, "v")
	if p.Executable != program.Path || p.Version != version || !strings.HasPrefix(p.Go, "go1.") || p.UID != os.Geteuid() || p.GID != os.Getegid() || len(p.Missing) > 0 {
		t.Errorf("process of %s %s: %+v", program.Path, version, p)
	}
	if age := time.Since(p.Started); age < 0 || age > 10*time.Minute {
		t.Errorf("started %v ago", age)
	}
}

func address(t *testing.T, url string) string {
	t.Helper()
	address := strings.TrimPrefix(url, "https://")
	if _, _, err := net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	return address
}
