// Package upgrade replaces and restarts plugins under load and in outages, with
// real kube-apiservers, a real Vault, and a service manager of the tests' own
// where systemd would be. It must never look inside the plugin: what it knows, it
// asks as an API server would.
package upgrade

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/internal/rig"
	"github.com/sealproof/sealproof/test/internal/servicemanager"
	"github.com/sealproof/sealproof/test/testkit"
)

const (
	keyName   = "kubernetes"
	namespace = "default"
)

// limit bounds one test; all of its waits are for readiness. It is many times what
// a test takes on a quiet machine.
const limit = 20 * time.Minute

var programs = rig.Programs()

// stack is one control plane with its key store, and a place for a plugin's
// socket.
type stack struct {
	t       *testing.T
	ctx     context.Context
	c       *cluster.Cluster
	program string
	etcd    *cluster.Etcd
	vault   *cluster.Vault
	role    cluster.AppRole
	secrets *cluster.SecretWriter
	socket  string
}

func newStack(t *testing.T) *stack {
	t.Helper()
	c, opts := rig.Start(t, programs)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	s := &stack{t: t, ctx: ctx, c: c, program: opts.Binaries.Path(components.KMSPluginRace), secrets: cluster.NewSecretWriter()}
	s.vault, s.role = rig.StartVault(ctx, t, c, 1, keyName)
	s.etcd = testkit.Must(c.StartEtcd(ctx, 1))(t)
	s.socket = filepath.Join(s.dir("plugin"), "kms.sock")
	return s
}

func (s *stack) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// dir makes a directory beside those of the cluster's processes.
func (s *stack) dir(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.c.Dir(), name)
	s.check(os.MkdirAll(dir, 0o700))
	return dir
}

// config writes a configuration of the plugin and returns its path.
func (s *stack) config(name string, localKEK map[string]any) string {
	s.t.Helper()
	text, err := yaml.Marshal(map[string]any{
		"cluster": "test", "listen": "",
		"socket":         map[string]any{"path": s.socket},
		"probe-interval": "500ms", "probe-interval-failing": "500ms", "promotion-delay": "2s",
		"local-kek": localKEK,
		"vault": map[string]any{
			"address": s.vault.Address(0), "ca-file": s.vault.CAFile(), "mount": cluster.TransitMount, "key": keyName,
			"auth": map[string]any{"method": "approle", "role-id": s.role.RoleID, "secret-id-file": s.role.SecretIDFile},
		},
	})
	s.check(err)
	path := filepath.Join(s.dir(name), "config.yaml")
	s.check(os.WriteFile(path, text, 0o600))
	return path
}

// manage makes a service manager for one plugin, which is not started yet.
func (s *stack) manage(name, config string, change func(*servicemanager.Unit)) *servicemanager.Manager {
	s.t.Helper()
	unit := servicemanager.Unit{
		Program: s.program,
		Args:    []string{"serve", "--config", config},
		Env:     []string{"GORACE=atexit_sleep_ms=0"},
		Dir:     s.dir(name),
		LogPath: filepath.Join(s.c.LogDir(), name+".log"),
	}
	if change != nil {
		change(&unit)
	}
	m := testkit.Must(servicemanager.New(unit))(s.t)
	s.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			s.t.Error(err)
		}
		if strings.Contains(s.log(name), "WARNING: DATA RACE") {
			s.t.Errorf("%s has a data race; log: %s", name, unit.LogPath)
		}
	})
	return m
}

// activated gives a unit a socket that the manager holds.
func (s *stack) activated(u *servicemanager.Unit) {
	u.Socket, u.SocketName, u.SocketMode = s.socket, "kmsplugin.socket", 0o660
}

// log returns what a managed plugin has printed so far; empty before its start.
func (s *stack) log(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.c.LogDir(), name+".log"))
	if !errors.Is(err, fs.ErrNotExist) {
		s.check(err)
	}
	return string(data)
}

func (s *stack) apiServer() *cluster.APIServer {
	s.t.Helper()
	encryption := testkit.Must(cluster.EncryptSecrets(cluster.KMSProvider{Name: "sealproof", Socket: s.socket}))(s.t)
	return testkit.Must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Etcd: s.etcd, Encryption: encryption}))(s.t)
}

// readAll reads every Secret that was ever written and compares it.
func (s *stack) readAll(a *cluster.APIServer) {
	s.t.Helper()
	n, err := s.secrets.ReadBackAll(s.ctx, a)
	s.check(err)
	if n < s.secrets.Len() || n == 0 {
		s.t.Fatalf("read %d Secrets back of %d", n, s.secrets.Len())
	}
}
