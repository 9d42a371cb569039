package verify_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// auditor runs etcdaudit, and refuses that a secret leaves it.
type auditor struct {
	binary, dir string
	etcd        *cluster.Etcd
	vault       *cluster.Vault
	// socket is the plugin's, encryption the API server's EncryptionConfiguration, and token the
	// file with a token of the policy that is shipped.
	socket, encryption, token string
	keyID                     string // of the first version
	// secrets are what must be shown nowhere.
	secrets []string
}

// transit are the arguments that lead to the Transit key.
func (a auditor) transit() []string {
	return []string{"--transit", "--vault-address", a.vault.Address(0), "--vault-ca-file", a.vault.CAFile(), "--vault-key", keyName, "--vault-token-file", a.token}
}

// live are the arguments that lead to the running etcd.
func (a auditor) live() []string {
	files := a.etcd.ClientFiles()
	return []string{"--endpoints", strings.Join(a.etcd.Endpoints(), ","), "--cacert", files.CA, "--cert", files.Cert, "--key", files.Key}
}

// scanned is what one run has left behind.
type scanned struct {
	*auditv1.Report
	status      int
	table, errs string
}

// scan runs etcdaudit scan --verify with every format of reports.
func (a auditor) scan(ctx context.Context, t *testing.T, args ...string) scanned {
	t.Helper()
	return a.run(ctx, t, "scan", args...)
}

func (a auditor) run(ctx context.Context, t *testing.T, command string, args ...string) scanned {
	t.Helper()
	dir := testkit.Must(os.MkdirTemp(a.dir, "scan"))(t)
	all := []string{command, "--verify", "--unwrap-timeout", patient.String()}
	for _, format := range []string{"table", "json", "html", "sarif", "junit", "csv", "cyclonedx"} {
		all = append(all, "--output", format+"="+filepath.Join(dir, format))
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, a.binary, append(all, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	s := scanned{status: cmd.ProcessState.ExitCode(), errs: errs.String(), Report: &auditv1.Report{}}
	a.refuse(t, "stdout", out.Bytes())
	a.refuse(t, "stderr", errs.Bytes())
	files := testkit.Must(os.ReadDir(dir))(t)
	for _, f := range files {
		text := testkit.Must(os.ReadFile(filepath.Join(dir, f.Name())))(t)
		a.refuse(t, f.Name(), text)
		switch f.Name() {
		case "table":
			s.table = strings.Join(strings.Fields(string(text)), " ")
		case "json":
			testkit.Check(t, protojson.Unmarshal(text, s.Report))
		}
	}
	if len(files) != 0 && len(files) != 7 {
		t.Errorf("%d reports", len(files))
	}
	return s
}

// refuse fails the test where a secret is in a text: as it is, in hexadecimal, or in base64 at any
// alignment.
func (a auditor) refuse(t *testing.T, what string, text []byte) {
	t.Helper()
	for _, form := range formsOf(a.secrets) {
		if bytes.Contains(text, []byte(form)) {
			t.Errorf("a secret is in %s", what)
		}
	}
}

func formsOf(secrets []string) (forms []string) {
	for _, secret := range secrets {
		forms = append(forms, secret, hex.EncodeToString([]byte(secret)))
		for skip := range 3 {
			// The characters that depend on what stands before and behind are left out.
			encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, skip), secret...))
			forms = append(forms, encoded[[3]int{0, 2, 3}[skip]:len(encoded)-3])
		}
	}
	return forms
}

// check is what a check says of the target with this beginning.
func (s scanned) check(t *testing.T, id, target string) *auditv1.Result {
	t.Helper()
	for _, c := range s.Checks {
		for _, r := range c.Results {
			if c.Id == id && strings.HasPrefix(r.Target, target) {
				return r
			}
		}
	}
	t.Fatalf("no %s of %s (status %d): %s", id, target, s.status, s.errs)
	return nil
}

// wants checks the status of a check.
func (s scanned) wants(t *testing.T, id, target string, want auditv1.Status, says string) *auditv1.Result {
	t.Helper()
	r := s.check(t, id, target)
	if said := r.Summary + r.Reason; r.Status != want || !strings.Contains(said, says) {
		t.Errorf("%s of %s: %v, want %v with %q: %s", id, target, r.Status, want, says, said)
	}
	return r
}

// needs checks that a restore of the only copy needs these things.
func (s scanned) needs(t *testing.T, want ...string) *auditv1.Restore {
	t.Helper()
	if len(s.GetVerification().GetRestores()) != 1 {
		t.Fatalf("%v; status %d: %s", s.Verification, s.status, s.errs)
	}
	r := s.Verification.Restores[0]
	var got []string
	for _, n := range r.Needs {
		got = append(got, n.What+": "+n.Value)
		if n.Why == "" || !strings.Contains(s.table, n.Value) {
			t.Errorf("%s is not in the table, or without a reason", n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("a restore needs %q, want %q", got, want)
	}
	return r
}

const (
	passes = auditv1.Status_STATUS_PASS
	fails  = auditv1.Status_STATUS_FAIL
	open   = auditv1.Status_STATUS_NOT_EVALUATED
	warns  = auditv1.Status_STATUS_WARN
)

// opensLive opens the live values by the socket that the EncryptionConfiguration names.
func (a auditor) opensLive(ctx context.Context, t *testing.T) {
	t.Helper()
	s := a.scan(ctx, t, append(a.live(), "--encryption-provider-config", a.encryption)...)
	s.wants(t, "EA-141", "live:", passes, "each of ")
	s.wants(t, "EA-143", "live:", passes, "do not say what they are")
	v := s.Verification
	if v.GetDekSources() != 1 || len(v.Unwrappers) != 1 || v.Unwrappers[0].Requests != 1 || v.Unwrappers[0].Opened != 1 || len(v.Verified) != 1 || len(v.Restores) != 0 {
		t.Fatalf("%v", v)
	}
	if one := v.Verified[0]; one.Opened != one.Values || one.Values < 40 || one.Same < 40 || one.SameName+one.Different != 0 {
		t.Errorf("%v", one)
	}
	if !strings.Contains(s.errs, "1 DEK source unwrapped by the KMS plugin at unix://") {
		t.Errorf("stderr: %s", s.errs)
	}
	// The node tells which configuration that is.
	s = a.run(ctx, t, "all", a.live()...)
	s.wants(t, "EA-141", "live:", passes, "each of ")
	if !strings.Contains(s.errs, "values are compared with "+a.encryption) || !strings.Contains(s.errs, "DEK sources are unwrapped at [\"unix://"+a.socket) {
		t.Errorf("stderr: %s", s.errs)
	}
	// Without the configuration its keys are missing, and nothing else.
	s = a.scan(ctx, t, append(a.live(), "--plugin-socket", a.socket)...)
	s.wants(t, "EA-141", "live:", open, "no key of this provider was given")
	if one := s.Verification.Verified[0]; one.NotEvaluated < 15 || one.Opened+one.NotEvaluated != one.Values || s.status == 0 {
		t.Errorf("status %d, %v", s.status, one)
	}
}

// opensBackup opens a snapshot without the cluster, and asks what a restore needs.
func (a auditor) opensBackup(ctx context.Context, t *testing.T, snapshot string) {
	t.Helper()
	needs := []string{
		"etcd prefix (--etcd-prefix): /registry",
		"EncryptionConfiguration: aescbc a", "EncryptionConfiguration: aesgcm b", "EncryptionConfiguration: kms v2 p", "EncryptionConfiguration: secretbox c:d",
		"Vault key: transit/kubernetes, version 1", "cluster identity: test",
	}
	for by, args := range map[string][]string{"the Vault key transit/kubernetes": a.transit(), "the KMS plugin at " + a.socket: {"--plugin-socket", a.socket}} {
		s := a.scan(ctx, t, slices.Concat(args, []string{"--encryption-provider-config", a.encryption, snapshot})...)
		s.wants(t, "EA-141", "live:", passes, "each of ")
		s.wants(t, "EA-142", "history:", passes, "each of ")
		r := s.needs(t, needs...)
		if why := r.Needs[5].Why; r.Opened != r.Values || r.Values < 40 || !strings.Contains(why, "11 of 11 values opened, by "+by) || !strings.Contains(s.table, "can be decrypted. It needs") {
			t.Errorf("%s: %v\n%s", by, r, s.errs)
		}
	}
	// Another cluster's plugin would not open it.
	s := a.scan(ctx, t, slices.Concat(a.transit(), []string{"--accept-cluster", "other", "--encryption-provider-config", a.encryption, snapshot})...)
	if r := s.wants(t, "EA-141", "live:", fails, "11 of another cluster"); r.Count != 11 || len(r.Objects) != 11 || !strings.Contains(r.Objects[0].Detail, `"test"`) || s.status != 1 {
		t.Errorf("status %d, %v", s.status, r)
	}
}

// eachRightIsNeeded takes one line after the other out of the policy that is shipped.
func (a auditor) eachRightIsNeeded(ctx context.Context, t *testing.T, policy, snapshot string) {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(policy, "\n"), func(line string) bool { return !strings.HasPrefix(line, "path ") })
	if len(lines) != 3 {
		t.Fatalf("the policy has %d lines", len(lines))
	}
	for i, says := range []string{"decrypt with transit/keys/kubernetes", "versions of the Vault key are not known", "Vault does not accept the token"} {
		testkit.Check(t, a.vault.PutPolicy(ctx, "auditor", strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "\n")))
		s := a.scan(ctx, t, slices.Concat(a.transit(), []string{"--encryption-provider-config", a.encryption, snapshot})...)
		if i == 1 {
			s.wants(t, "EA-141", "live:", passes, "each of ")
			s.needs(t, "etcd prefix (--etcd-prefix): /registry",
				"EncryptionConfiguration: aescbc a", "EncryptionConfiguration: aesgcm b", "EncryptionConfiguration: kms v2 p", "EncryptionConfiguration: secretbox c:d",
				"Vault key: version 1 of the key behind key_id "+a.keyID, "cluster identity: test")
		} else {
			s.wants(t, "EA-141", "live:", open, "11 of ")
		}
		if !strings.Contains(s.errs+s.table, says) {
			t.Errorf("without %s: status %d, %s\n%s", lines[i], s.status, s.errs, s.table)
		}
	}
	testkit.Check(t, a.vault.PutPolicy(ctx, "auditor", policy))
}

// retired opens a snapshot whose key version Vault no longer decrypts with, and of which some
// values need a second version.
func (a auditor) retired(ctx context.Context, t *testing.T, snapshot string) {
	t.Helper()
	s := a.scan(ctx, t, slices.Concat(a.transit(), []string{"--encryption-provider-config", a.encryption, snapshot})...)
	r := s.wants(t, "EA-141", "live:", fails, "11 key version retired")
	if r.Count != 11 || !strings.Contains(r.Objects[0].Detail, "below min_decryption_version") || r.Objects[0].Resource != "secrets" || r.Objects[0].Name == "" {
		t.Errorf("%v", r)
	}
	s.wants(t, "EA-142", "history:", warns, "key version retired")
	if restore := s.Verification.Restores[0]; restore.Undecryptable != 11 || !strings.Contains(s.table, "11 of its ") {
		t.Errorf("%v", restore)
	}
	if s.status != 1 {
		t.Errorf("status %d", s.status)
	}
}

// tampered writes to etcd what no API server has written there, and returns a snapshot of that.
func (a auditor) tampered(ctx context.Context, t *testing.T, values stored) (snapshot string) {
	t.Helper()
	value := func(key string) string {
		for _, kv := range values {
			if string(kv.Key) == "/registry/"+key {
				return string(kv.Value)
			}
		}
		t.Fatalf("no %s", key)
		return ""
	}
	put := func(key, value string) {
		t.Helper()
		testkit.Must(a.etcd.Client().Put(ctx, key, value))(t)
	}
	damaged := []byte(value("secrets/default/old-0001"))
	damaged[len(damaged)-40] ^= 1 // the last bytes are those of key_id and annotations, or of the tag
	put("/registry/secrets/default/moved", value("secrets/default/old-0000"))
	put("/registry/secrets/default/old-0001", string(damaged))
	put("/registry/configmaps/default/copied", value("configmaps/default/verify-0"))
	put("/registry/example.com/widgets/default/right", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"right","namespace":"default"}}`)
	put("/registry/example.com/widgets/default/wrong", `{"apiVersion":"example.com/v1","kind":"Gadget","metadata":{"name":"wrong","namespace":"default"}}`)
	put("/registry/example.org/gizmos/default/any", `{"apiVersion":"example.org/v1","kind":"Gizmo","metadata":{"name":"any","namespace":"default"}}`)
	put("/registry/leases/default/kms-v1", "k8s:enc:kms:v1:p:\x00\x04abcd"+strings.Repeat("x", 28))

	s := a.scan(ctx, t, append(a.live(), "--encryption-provider-config", a.encryption)...)
	if named, want := objects(s.wants(t, "EA-141", "live:", fails, "2 of ")), []string{
		"secrets/default/moved: moved from /registry/secrets/default/old-0000", "secrets/default/old-0001: ",
	}; len(named) != 2 || named[0] != want[0] || !strings.HasPrefix(named[1], want[1]) {
		t.Errorf("%q", named)
	}
	named := objects(s.wants(t, "EA-143", "live:", fails, "3 of "))
	if want := []string{
		"configmaps/default/copied: holds ConfigMap default/verify-0", "widgets.example.com/default/wrong: holds Gadget", "secrets/default/moved: holds Secret default/old-0000",
	}; !slices.Equal(named, want) {
		t.Errorf("%q, want %q", named, want)
	}
	var unevaluated []string
	for _, c := range s.Checks {
		for _, r := range c.Results {
			if (c.Id == "EA-141" || c.Id == "EA-143") && r.Status == open {
				unevaluated = append(unevaluated, fmt.Sprintf("%s %v: %s", c.Id, r.Optional, r.Reason))
			}
		}
	}
	if len(unevaluated) != 3 || !strings.Contains(unevaluated[0], "KMS v1") || !strings.Contains(unevaluated[1], "EA-143 false") || !strings.Contains(unevaluated[1], "KMS v1") ||
		!strings.Contains(unevaluated[2], "EA-143 true") || !strings.HasSuffix(unevaluated[2], "example.org/gizmos") {
		t.Errorf("%q", unevaluated)
	}

	// The same values, restored under another prefix.
	for _, kv := range values {
		put("/restored/"+strings.TrimPrefix(string(kv.Key), "/registry/"), string(kv.Value))
	}
	s = a.scan(ctx, t, append(a.live(), "--encryption-provider-config", a.encryption, "--prefix", "/restored")...)
	r := s.wants(t, "EA-141", "live:", fails, " moved")
	if one := s.Verification.Verified[0]; len(one.Outcomes) != 2 || one.Outcomes[1].Outcome != "moved" || one.Outcomes[1].Values < 20 || one.Different != 0 {
		t.Errorf("%v", one)
	}
	for _, o := range r.Objects {
		if !strings.Contains(o.Detail, "moved from /registry/") || !strings.HasSuffix(o.Detail, "/"+o.Name) {
			t.Errorf("%v", o)
		}
	}
	// What a restore of it needs is the prefix that it was written under.
	file := filepath.Join(a.dir, "restored.db")
	in := testkit.Must(a.etcd.Client().Snapshot(ctx))(t)
	out := testkit.Must(os.Create(filepath.Clean(file)))(t)
	testkit.Must(out.ReadFrom(in))(t)
	testkit.Check(t, errors.Join(in.Close(), out.Close()))
	s = a.scan(ctx, t, slices.Concat(a.transit(), []string{"--encryption-provider-config", a.encryption, "--prefix", "/restored", file})...)
	if n := s.Verification.Restores[0].Needs[0]; n.Value != "/restored" || !strings.Contains(n.Why, ", the first under /registry/") || !strings.HasPrefix(n.Why, "what was written elsewhere opens there alone: ") {
		t.Errorf("%v", n)
	}
	return file
}

func objects(r *auditv1.Result) (all []string) {
	for _, o := range r.Objects {
		all = append(all, o.Resource+"/"+o.Namespace+"/"+o.Name+": "+o.Detail)
	}
	return all
}
