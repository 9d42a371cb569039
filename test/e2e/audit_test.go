package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/test/cluster"
)

// scanned is what one run of etcdaudit scan left behind.
type scanned struct {
	status   int
	out, err []byte
}

// scan runs the auditor against the stack's etcd, with further arguments.
func (s *stack) scan(args ...string) scanned {
	s.t.Helper()
	return s.scanWith(s.etcd.ClientFiles(), s.etcd.Endpoints(), args...)
}

func (s *stack) scanWith(files cluster.CertFiles, endpoints []string, args ...string) scanned {
	s.t.Helper()
	args = append([]string{"scan", "--endpoints", strings.Join(endpoints, ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key}, args...)
	return s.run(args...)
}

func (s *stack) run(args ...string) scanned {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.ctx, s.auditor, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		s.t.Fatal(err)
	}
	return scanned{status: cmd.ProcessState.ExitCode(), out: out.Bytes(), err: errs.Bytes()}
}

// wants checks the exit status and that the output says all of texts.
func (r scanned) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.status, status, r.out, r.err)
	}
	for _, text := range texts {
		if !bytes.Contains(append(bytes.Clone(r.out), r.err...), []byte(text)) {
			t.Errorf("the report does not say %q:\n%s%s", text, r.out, r.err)
		}
	}
}

// saysAll checks that the table says all of texts, however its lines are broken.
func (r scanned) saysAll(t *testing.T, texts ...string) {
	t.Helper()
	said := strings.Join(strings.Fields(string(r.out)), " ")
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("the report does not say %q:\n%s%s", text, r.out, r.err)
		}
	}
}

func TestTheAuditFindsPlaintextAndWhatIsStale(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	a := must(s.c.StartAPIServer(s.ctx, cluster.APIServerOptions{Etcd: s.etcd}))(t)
	s.create(a, "plain", 7)
	s.scan().wants(t, 1, "plain-0000", "plain-0006", "plaintext", "NOT EVALUATED", "live values at revision")

	p := s.plugin("a")
	s.check(a.Stop(s.ctx))
	sealedServer := s.apiServer("sealed", p)
	must(sealedServer.RewriteAll(s.ctx, nil))(t)
	keyID := must(p.KeyID(s.ctx))(t)
	// Live values pass; that the readable revisions are still there is not
	// passed over.
	s.scan().wants(t, 0, keyID, providerName, "NOT EVALUATED", "history")

	s.rotate(p)
	s.restart(sealedServer)
	s.create(sealedServer, "new", 3)
	fresh := must(p.KeyID(s.ctx))(t)
	s.scan().wants(t, 0, keyID, fresh, "stale")

	var report map[string]any
	s.check(json.Unmarshal(s.scan("--output", "json").out, &report))
	s.scan("--encryption-provider-config", sealedServer.EncryptionFile()).wants(t, 0)
	s.scan("--encryption-provider-config", a.EncryptionFile()).wants(t, 1)
	s.prove(p, sealedServer)
}

func TestTheAuditFindsADamagedValue(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "good", 5)
	key := cluster.SecretKey(namespace, "damaged")
	s.check(s.putRaw(key, []byte("k8s:enc:kms:v2:"+providerName+":\x0a\xff\xff\xff\xff\x0f")))
	s.scan().wants(t, 1, "damaged", "malformed")
	_, err := s.etcd.Client().Delete(s.ctx, key)
	s.check(err)
	// One byte of a sealed value: structurally sound, but it no longer opens.
	// The auditor holds no key and says nothing of it; the API server does.
	good := cluster.SecretKey(namespace, "good-0000")
	kv := must(s.etcd.Get(s.ctx, good, 0))(t)
	damaged := bytes.Clone(kv.Value)
	damaged[len(damaged)/2] ^= 1
	s.check(s.putRaw(good, damaged))
	// No restart: with a Secret that does not open, an API server that starts
	// never becomes ready.
	if _, err := s.secrets.ReadBackAll(s.ctx, a); err == nil || !strings.Contains(err.Error(), "1 of 5") {
		t.Errorf("one value of five was damaged, reading all says %v", err)
	}
	s.check(s.putRaw(good, kv.Value))
	s.prove(p, a)
}

// putRaw writes to etcd behind the API server's back.
func (s *stack) putRaw(key string, value []byte) error {
	_, err := s.etcd.Client().Put(s.ctx, key, string(value))
	return err
}

func TestAnAuditThatCannotReadSaysWhy(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	p := s.plugin("a")
	a := s.apiServer("a", p)
	s.create(a, "good", 5)
	good := s.etcd.ClientFiles()
	strange := must(must(s.c.KubernetesAuthority())(t).Client("stranger"))(t)
	mixed := strange
	mixed.CA = good.CA

	for name, tc := range map[string]struct {
		files     cluster.CertFiles
		endpoints []string
		args      []string
		status    int
		want      string
	}{
		"nothing listens":                    {good, []string{"https://127.0.0.1:1"}, []string{"--timeout", "3s"}, 2, "127.0.0.1:1"},
		"its certificate is not to be known": {strange, s.etcd.Endpoints(), []string{"--timeout", "1m"}, 2, "certificate"},
		"ours is of another authority":       {mixed, s.etcd.Endpoints(), []string{"--timeout", "1m"}, 2, "certificate"},
		"the certificate file is missing":    {cluster.CertFiles{CA: good.CA, Cert: "/nonexistent.crt", Key: good.Key}, s.etcd.Endpoints(), nil, 3, "/nonexistent.crt"},
		"an unknown flag":                    {good, s.etcd.Endpoints(), []string{"--endpoint", "x"}, 3, "unknown flag"},
		"an unknown output":                  {good, s.etcd.Endpoints(), []string{"--output", "xml"}, 3, "xml"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.scanWith(tc.files, tc.endpoints, tc.args...)
			r.wants(t, tc.status, tc.want)
			if n := bytes.Count(bytes.TrimSpace(r.err), []byte("\n")); n > 3 {
				t.Errorf("%d lines of error", n+1)
			}
			if bytes.Contains(r.out, []byte("pass")) {
				t.Errorf("it passes what it could not read: %s", r.out)
			}
		})
	}
	s.prove(p, a)
}
