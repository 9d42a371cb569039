package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
)

// metricsOf saves the metrics of an API server, as kubectl get --raw /metrics prints them.
func (s *stack) metricsOf(a *cluster.APIServer, name string) (file string) {
	s.t.Helper()
	text := must(a.Client().CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(s.ctx))(s.t)
	return s.file(name, text)
}

func (s *stack) file(name string, text []byte) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), name)
	s.check(os.WriteFile(file, text, 0o600))
	return file
}

// The plugin, two API servers and the store are joined: before a rotation, while one API server is
// behind, and when the file on disk is not the one in force.
func TestTheAuditJoinsWhatPluginAndAPIServersSayOfKeyIDs(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a, b := s.apiServer("a", p), s.apiServer("b", p)
	s.create(a, "old", 3)
	s.list(b)
	ask := func(a, b string, more ...string) scanned {
		return s.scan(append([]string{"--plugin-socket", p.Socket(), "--apiserver-metrics", a, "--apiserver-metrics", b}, more...)...)
	}
	before := s.metricsOf(b, "b.txt")
	ask(s.metricsOf(a, "a.txt"), before).wants(t, 0, "PASS            EA-166", "PASS            EA-167", "PASS            EA-168", "PASS            EA-169")

	old := must(p.KeyID(s.ctx))(t)
	fresh := s.rotate(p)
	s.restart(a)
	s.create(a, "new", 2)
	// The metrics of b are from before: as of an API server that is behind.
	after := s.metricsOf(a, "a.txt")
	ask(after, before).wants(t, 1, "PASS            EA-166", "WARN            EA-167", "PASS            EA-168", "WARN            EA-169")
	ask(after, before, "--output", "json").wants(t, 1, "3 of 5 values under a key_id that is not current", "current 2, stale 3, unknown 0", "key_id "+old+": stale, 3 values", "key_id "+fresh+": current, 2 values")

	changed := append(must(os.ReadFile(a.EncryptionFile()))(t), "# changed\n"...)
	ask(after, before, "--encryption-provider-config", s.file("changed.yaml", changed)).wants(t, 1, "FAIL            EA-168", "another file than")

	s.scan("--plugin-socket", filepath.Join(t.TempDir(), "none.sock")).wants(t, 2, "NOT EVALUATED   EA-166, EA-169", "none.sock: no")
	s.scan("--plugin-socket", before).wants(t, 2, "NOT EVALUATED   EA-166, EA-169")
	s.scan("--apiserver-metrics", p.ConfigFile()).wants(t, 3, "not the text format")
	s.readAll(a)
}
