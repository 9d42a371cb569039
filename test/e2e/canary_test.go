package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	kms "k8s.io/kms/apis/v2"

	"github.com/sealproof/sealproof/internal/transit"
	"github.com/sealproof/sealproof/kmsplugin/envelope"
	"github.com/sealproof/sealproof/test/cluster"
)

// canaries are secrets that must turn up nowhere, by what they are.
type canaries map[string][]byte

// patterns are the forms in which a secret could have slipped out.
func patterns(secret []byte) map[string][]byte {
	decimal := strings.Trim(fmt.Sprint(secret), "[]") // fmt's %v of a []byte
	forms := map[string][]byte{
		"raw":     secret,
		"hex":     []byte(hex.EncodeToString(secret)),
		"HEX":     []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"decimal": []byte(decimal),
	}
	// In the middle of something longer, base64 depends on the offset modulo 3;
	// the characters at the ends mix with what stands beside them.
	for offset := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), secret...))
		from := (offset*8 + 5) / 6
		to := (offset + len(secret)) * 8 / 6
		forms[fmt.Sprintf("base64+%d", offset)] = []byte(text[from:to])
		forms[fmt.Sprintf("base64url+%d", offset)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(text[from:to]))
	}
	return forms
}

// find names every canary inside text.
func (c canaries) find(text []byte) (found []string) {
	for name, secret := range c {
		for form, pattern := range patterns(secret) {
			if bytes.Contains(text, pattern) {
				found = append(found, name+" as "+form)
			}
		}
	}
	return found
}

func TestTheSearchForCanariesFindsEveryForm(t *testing.T) {
	secret := []byte("\x00\xffcanary-7f3a9c21\x80")
	c := canaries{"secret": secret}
	for name, text := range map[string]string{
		"raw":               "x" + string(secret) + "y",
		"hex":               hex.EncodeToString(secret),
		"printed by %v":     fmt.Sprintf("%v", secret),
		"printed by %X":     fmt.Sprintf("%X", secret),
		"base64":            base64.StdEncoding.EncodeToString(secret),
		"base64 at 1":       base64.StdEncoding.EncodeToString([]byte("a" + string(secret) + "b")),
		"base64 at 2":       base64.StdEncoding.EncodeToString([]byte("ab" + string(secret) + "c")),
		"base64url at 2":    base64.URLEncoding.EncodeToString([]byte("ab" + string(secret))),
		"json of a struct":  fmt.Sprintf(`{"token":%q}`, base64.StdEncoding.EncodeToString(secret)),
		"inside JSON bytes": base64.StdEncoding.EncodeToString([]byte(`{"data":"` + string(secret) + `"}`)),
	} {
		if len(c.find([]byte(text))) == 0 {
			t.Errorf("%s goes unseen", name)
		}
	}
	if found := c.find([]byte(strings.Repeat("nothing of the kind ", 100))); found != nil {
		t.Errorf("found in nothing: %v", found)
	}
}

func TestNoSecretTurnsUpAnywhere(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	found := canaries{}
	auditLog := must(s.vault.EnableAudit(s.ctx))(t)

	// One plugin of each auth method, as talkative as they get.
	debug := map[string]any{"log-level": "debug"}
	p := must(s.c.StartPlugin(s.ctx, s.options("a", debug)))(t)
	found["secret-id"] = bytes.TrimSpace(must(os.ReadFile(s.role.SecretIDFile))(t))
	tokenFile := must(s.vault.TokenFile(s.ctx, "by-token", policy(t), "1h"))(t)
	found["token"] = bytes.TrimSpace(must(os.ReadFile(tokenFile))(t))
	byToken := s.options("b", debug)
	byToken.Config["envelope"] = "vault"
	byToken.Config["vault"] = map[string]any{"auth": map[string]any{
		"method": "token", "token-file": tokenFile, "role-id": nil, "secret-id-file": nil}}
	p2 := must(s.c.StartPlugin(s.ctx, byToken))(t)

	a := s.apiServer("a", p)
	found["value of a Secret"] = []byte("canary-value-5d1f0b7e-correct-horse")
	s.check(s.secrets.PutValue(s.ctx, a, namespace, "canary", found["value of a Secret"]))
	s.create(a, "more", 10)
	reports := s.eventfulLife(p, p2, a)
	s.prove(p, a)

	s.addKeys(found, p)
	if len(found) < 6 {
		t.Fatalf("only %d canaries: the test would prove little", len(found))
	}
	for name, text := range reports {
		for _, what := range found.find(text) {
			t.Errorf("%s contains the %s", name, what)
		}
	}
	s.searchProcesses(found, p.Process, p2.Process, a.Process)
	s.searchFiles(found, auditLog, s.role.SecretIDFile, tokenFile)
}

// eventfulLife makes the plugins meet everything that is worth a log line or an
// error, and returns what they and the auditor said.
func (s *stack) eventfulLife(p, p2 *cluster.Plugin, a *cluster.APIServer) map[string][]byte {
	reports := map[string][]byte{}
	seed := bytes.Repeat([]byte("canaryseed"), 3)
	for i, plugin := range []*cluster.Plugin{p, p2} {
		e := must(plugin.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: seed, Uid: "canary"}))(s.t)
		for _, damage := range []int{0, 20, len(e.Ciphertext) - 1} {
			damaged := bytes.Clone(e.Ciphertext)
			damaged[damage] ^= 1
			_, err := plugin.KMS().Decrypt(s.ctx, &kms.DecryptRequest{Ciphertext: damaged, KeyId: e.KeyId, Annotations: e.Annotations, Uid: "canary"})
			reports[fmt.Sprintf("error %d/%d", i, damage)] = fmt.Append(nil, err)
		}
		must(plugin.KMS().Decrypt(s.ctx, &kms.DecryptRequest{Ciphertext: e.Ciphertext, KeyId: e.KeyId, Annotations: e.Annotations}))(s.t)
	}
	s.rotate(p, p2)
	s.restart(a)
	// A refusal, an outage, and both overcome.
	s.check(s.vault.PutPolicy(s.ctx, "by-token", cluster.TokenPolicy))
	waitState(s, p2, "refusal")
	s.check(s.vault.PutPolicy(s.ctx, "by-token", policy(s.t)))
	waitState(s, p2, "ok")
	s.check(s.vault.Stop(s.ctx))
	waitState(s, p, "outage")
	_, err := p2.KMS().Encrypt(s.ctx, &kms.EncryptRequest{Plaintext: seed})
	reports["error in the outage"] = fmt.Append(nil, err)
	s.check(s.vault.Restart(s.ctx))
	waitState(s, p, "ok")
	waitState(s, p2, "ok")
	for _, plugin := range []*cluster.Plugin{p, p2} {
		for _, path := range []string{"/metrics", "/readyz", "/livez"} {
			_, body, err := plugin.Get(s.ctx, path)
			s.check(err)
			reports[plugin.Name()+path] = []byte(body)
		}
	}
	for _, output := range []string{"table", "json"} {
		scan := s.scan("--output", output)
		reports["etcdaudit --output "+output] = append(scan.out, scan.err...)
		if len(scan.out) == 0 {
			s.t.Error("etcdaudit printed nothing")
		}
	}
	return reports
}

// addKeys adds the keys that only the plugin and the API server may know: the
// local KEKs, derived again with Vault's help, and every DEK seed in use.
func (s *stack) addKeys(found canaries, p *cluster.Plugin) {
	seeds := 0
	s.check(s.etcd.Walk(s.ctx, "/registry/secrets/", func(kv *mvccpb.KeyValue) error {
		e, ok := cluster.ParseEnvelope(kv.Value)
		if !ok {
			return fmt.Errorf("%s is not sealed", kv.Key)
		}
		d, err := p.KMS().Decrypt(s.ctx, &kms.DecryptRequest{Ciphertext: e.Object.EncryptedDEKSource, KeyId: e.Object.KeyID, Annotations: e.Object.Annotations})
		if err != nil {
			return err
		}
		name := "DEK seed " + hex.EncodeToString(e.Object.EncryptedDEKSource[:12])
		if found[name] == nil {
			seeds++
		}
		found[name] = d.Plaintext

		binding := envelope.Binding{Cluster: string(e.Object.Annotations[transit.AnnotationCluster]), KeyID: e.Object.KeyID}
		version, ok := transit.Version(e.Object.Annotations[transit.AnnotationKEK])
		if !ok {
			return fmt.Errorf("%s names no key version", kv.Key)
		}
		secret, err := s.vault.Client().Logical().WriteWithContext(s.ctx, cluster.TransitMount+"/hmac/"+keyName+"/sha2-256",
			map[string]any{"key_version": version, "input": base64.StdEncoding.EncodeToString(binding.DeriveLabel())})
		if err != nil {
			return err
		}
		text := secret.Data["hmac"].(string) //nolint:forcetypeassert // Vault's own format
		mac, err := base64.StdEncoding.DecodeString(text[strings.LastIndex(text, ":")+1:])
		if err != nil {
			return err
		}
		key, err := envelope.DeriveKEK(mac, binding)
		if err != nil {
			return err
		}
		found[fmt.Sprintf("local KEK of version %d", version)] = key
		found[fmt.Sprintf("HMAC of version %d", version)] = mac
		return nil
	}))
	if seeds < 3 {
		s.t.Errorf("only %d DEK seeds", seeds)
	}
}

func (s *stack) searchProcesses(found canaries, processes ...*cluster.Process) {
	for _, p := range processes {
		for _, file := range []string{"cmdline", "environ"} {
			text := must(os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID(), file)))(s.t)
			if file == "cmdline" && len(text) == 0 {
				s.t.Errorf("%s has no command line", p.Name())
			}
			for _, what := range found.find(text) {
				s.t.Errorf("%s of %s contains the %s", file, p.Name(), what)
			}
		}
		limits := must(os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.PID())))(s.t)
		if strings.HasPrefix(p.Name(), "kmsplugin") && !bytes.Contains(limits, []byte("Max core file size        0                    0")) {
			s.t.Errorf("%s may dump core", p.Name())
		}
	}
}

// searchFiles looks through everything that the cluster has on disk: logs,
// Vault's audit log, etcd's and Vault's data, temporary files. Only the files in
// which a credential was handed over may contain it.
func (s *stack) searchFiles(found canaries, auditLog string, credentials ...string) {
	files := 0
	s.check(filepath.WalkDir(s.c.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if path == auditLog && len(text) == 0 {
			s.t.Error("Vault's audit log is empty")
		}
		for _, what := range found.find(text) {
			if !isOneOf(path, credentials) {
				s.t.Errorf("%s contains the %s", path, what)
			}
		}
		return nil
	}))
	if files < 20 {
		s.t.Errorf("looked into %d files only", files)
	}
}

func isOneOf(path string, list []string) bool {
	for _, p := range list {
		if p == path {
			return true
		}
	}
	return false
}
