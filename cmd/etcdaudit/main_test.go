package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/encoding/protojson"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/cluster/clustertest"
	"github.com/sealproof/sealproof/test/components"
	"github.com/sealproof/sealproof/test/stored"
)

// run executes the command line and returns its exit status and output.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	root := newCommand()
	var out, errs bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	status = cli.Main(root, 2)
	return status, out.String(), errs.String()
}

// oneLine undoes the breaking of lines.
func oneLine(table string) string { return strings.Join(strings.Fields(table), " ") }

func startEtcd(t *testing.T) *cluster.Etcd {
	t.Helper()
	e, err := clustertest.New(t, components.Etcd).StartEtcd(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func put(t *testing.T, e *cluster.Etcd, key, value string) {
	t.Helper()
	if _, err := e.Client().Put(t.Context(), "/registry/"+key, value); err != nil {
		t.Fatal(err)
	}
}

// use points ETCDCTL_* at an etcd, as an operator's shell does.
func use(t *testing.T, e *cluster.Etcd) {
	t.Helper()
	files := e.ClientFiles()
	t.Setenv("ETCDCTL_ENDPOINTS", strings.Join(e.Endpoints(), ","))
	t.Setenv("ETCDCTL_CACERT", files.CA)
	t.Setenv("ETCDCTL_CERT", files.Cert)
	t.Setenv("ETCDCTL_KEY", files.Key)
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const encryptionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: p, endpoint: "unix:///run/p.sock"}
  - identity: {}
`

func TestScanOfARealEtcd(t *testing.T) {
	e := startEtcd(t)
	use(t, e)

	steps := []struct {
		name   string
		store  map[string]string
		args   []string
		status int
		says   []string
	}{
		{"an empty etcd is not called clean", nil, nil, 2, []string{"NOT EVALUATED", "wrong etcd, or wrong --prefix?"}},
		{"plaintext Secrets fail and are named",
			map[string]string{"secrets/default/a": stored.Plaintext, "secrets/prod/b": stored.Plaintext, "configmaps/default/c": stored.Plaintext}, nil, 1,
			[]string{"2 of 2 Secrets", "default/a", "prod/b", "FAIL, finding at or above medium: EA-101"}},
		{"encrypted Secrets pass for live values only",
			map[string]string{"secrets/default/a": stored.KMSv2("p", "k1", 1), "secrets/prod/b": stored.KMSv2("p", "k1", 1)}, nil, 0,
			[]string{"none of 2 Secrets is plaintext", "k1", "history (older revisions)", "write-ahead log", "snapshots", "PASS"}},
		{"the file agrees with the store", nil, []string{"--encryption-provider-config", file(t, encryptionConfig)}, 0, []string{"new Secrets are written by kms v2 p"}},
		{"another file does not", nil, []string{"--encryption-provider-config", file(t, strings.ReplaceAll(encryptionConfig, "name: p", "name: q"))}, 1, []string{"EA-114", "secrets (2 of 2)"}},
		{"after a rotation the old key is stale and that is no failure",
			map[string]string{"secrets/default/a": stored.KMSv2("p", "k2", 2)}, nil, 0, []string{"1 of 2 values written with another key", "stale", "k2"}},
		{"unless it is asked for", nil, []string{"--fail-on", "low"}, 1, []string{"EA-104"}},
		{"a damaged value fails",
			map[string]string{"secrets/prod/b": stored.KMSv2("p", "k1", 1)[:40]}, nil, 1, []string{"EA-102", "prod/b", "not valid protobuf"}},
		{"a prefix within another shows no Secret and is not called clean",
			map[string]string{"secrets/default/a": stored.Plaintext, "secrets/prod/b": stored.Plaintext}, []string{"--prefix", "/registry/secrets"}, 2, []string{"EA-101", "is that the --prefix?", "keys outside /registry/secrets/: 1 in this etcd"}},
		{"another prefix is another store", nil, []string{"--prefix", "/kubernetes.io"}, 2, []string{"no key under /kubernetes.io/"}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			for key, value := range step.store {
				put(t, e, key, value)
			}
			status, out, errs := run(t, append([]string{"scan"}, step.args...)...)
			if status != step.status || errs != "" {
				t.Errorf("status %d, want %d; stderr %q", status, step.status, errs)
			}
			for _, text := range step.says {
				if !strings.Contains(oneLine(out), text) {
					t.Errorf("does not say %q:\n%s", text, out)
				}
			}
			if first, _, _ := strings.Cut(out, "\n"); !strings.HasPrefix(first, "Scope: live values at revision ") {
				t.Errorf("the first line is not the scope: %s", first)
			}
			if strings.Contains(out, stored.Canary) {
				t.Error("a part of a value is shown")
			}
		})
	}
}

func TestScanInJSONNamesEveryPlaintextSecret(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	for i := range 120 {
		put(t, e, fmt.Sprintf("secrets/default/s%03d", i), stored.Plaintext)
	}
	status, out, errs := run(t, "scan", "--output", "json")
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil || status != 1 || errs != "" {
		t.Fatalf("status %d, %v, %s", status, err, errs)
	}
	if n, s := len(r.Checks[0].Results[0].Objects), r.Scopes[0]; n != 120 || s.KeysRead != 120 || s.KeysCounted != 120 || s.Revision == 0 {
		t.Errorf("%d Secrets named, scope %v", n, s)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAReportThatCannotBeWrittenIsNoPass(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k", 1))
	for _, output := range []string{"table", "json"} {
		root := newCommand()
		var errs bytes.Buffer
		root.SetArgs([]string{"scan", "--output", output})
		root.SetOut(fullDisk{})
		root.SetErr(&errs)
		if status := cli.Main(root, 2); status != 2 || !strings.Contains(errs.String(), "write the report: no space left") {
			t.Errorf("%s: status %d, %s", output, status, errs.String())
		}
	}
}

func TestSettingsComeFromFlagsThenEnvironmentThenFileThenEtcdctl(t *testing.T) {
	e, other := startEtcd(t), "https://127.0.0.1:1"
	put(t, e, "secrets/default/a", stored.KMSv2("p", "k", 1))
	use(t, e)
	right := e.Endpoints()[0]
	wrongFile, rightFile := file(t, "endpoints: ["+other+"]\n"), file(t, "endpoints: ["+right+"]\n")
	tests := []struct {
		name             string
		etcdctl, env     string
		config, flag     string
		reachesTheTarget bool
	}{
		{"etcdctl's alone", right, "", "", "", true},
		{"a file over etcdctl's", other, "", rightFile, "", true},
		{"a wrong file over a right etcdctl's", right, "", wrongFile, "", false},
		{"our environment over the file", other, right, wrongFile, "", true},
		{"a flag over all", other, other, wrongFile, right, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("ETCDCTL_ENDPOINTS", tt.etcdctl)
			if tt.env != "" {
				t.Setenv("ETCDAUDIT_ENDPOINTS", tt.env)
			}
			args := []string{"scan", "--timeout", "1m"}
			if tt.config != "" {
				args = append(args, "--config", tt.config)
			}
			if tt.flag != "" {
				args = append(args, "--endpoints", tt.flag)
			}
			status, _, errs := run(t, args...)
			if reached := status == 0; reached != tt.reachesTheTarget {
				t.Errorf("status %d: %s", status, errs)
			}
		})
	}
}

func TestAFailedReadIsOneErrorAndStatus2(t *testing.T) {
	e := startEtcd(t)
	use(t, e)
	stranger, err := cluster.NewAuthority(t.TempDir(), "stranger")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := stranger.Client("client")
	if err != nil {
		t.Fatal(err)
	}
	ca := os.Getenv("ETCDCTL_CACERT")
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"unreachable":       {[]string{"--endpoints", "https://127.0.0.1:1"}, "nothing listens there"},
		"wrong CA":          {[]string{"--cacert", stranger.CAFile()}, "not signed by the CA that it was checked with"},
		"no CA":             {nil, "no other CA was given"},
		"wrong certificate": {[]string{"--cert", theirs.Cert, "--key", theirs.Key}, "does not accept this client's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			if t.Setenv("ETCDCTL_CACERT", ca); tt.args == nil {
				t.Setenv("ETCDCTL_CACERT", "")
			}
			status, out, errs := run(t, append([]string{"scan"}, tt.args...)...)
			if status != 2 || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
			}
		})
	}
}

func TestWrongCallsAreRefusedWithTheSettingAndTheReason(t *testing.T) {
	noEtcdctl(t)
	endpoint := []string{"--endpoints", "http://127.0.0.1:1"}
	key := base64.StdEncoding.EncodeToString([]byte(stored.Canary))
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no endpoint":             {[]string{"--root", t.TempDir()}, "endpoints: none given"},
		"an unknown output":       {append(endpoint, "--output", "xml"), "want table, json, html"},
		"an unknown severity":     {append(endpoint, "--fail-on", "severe"), "fail-on"},
		"a timeout of nothing":    {append(endpoint, "--timeout", "0s"), "timeout"},
		"a relative prefix":       {append(endpoint, "--prefix", "registry"), "prefix"},
		"the prefix of all":       {append(endpoint, "--prefix", "/"), "prefix"},
		"an argument":             {append(endpoint, "extra"), "with a path only files are read"},
		"an unknown flag":         {append(endpoint, "--password", "x"), "unknown flag"},
		"a missing config file":   {append(endpoint, "--config", "/no/such.yaml"), "/no/such.yaml"},
		"an unknown key":          {append(endpoint, "--config", file(t, "endpoint: x\n")), "unknown key endpoint"},
		"a missing CA file":       {[]string{"--endpoints", "https://127.0.0.1:1", "--cacert", "/no/ca.crt"}, "/no/ca.crt"},
		"no such encryption file": {append(endpoint, "--encryption-provider-config", "/no/enc.yaml"), "/no/enc.yaml"},
		"a rate below zero":       {append(endpoint, "--rate", "-1"), "rate: -1"},
		"another consistency":     {append(endpoint, "--consistency", "eventual"), "want linearizable or serializable"},
		"another comparison":      {append(endpoint, "--compare-members", "all"), "want hash, read or off"},
		"a bad encryption file": {append(endpoint, "--encryption-provider-config",
			file(t, strings.Replace(encryptionConfig, "  - identity", "  - aescbc: {keys: [{name: a, secret: "+key+"}]}\n  - identity", 1))), "aescbc.keys[0].secret: has 15 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errs := run(t, append([]string{"scan"}, tt.args...)...)
			if status != 3 || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
			}
			if strings.Contains(errs, key) {
				t.Error("a key is shown")
			}
		})
	}
}

func TestTheUserComesFromTheEnvironmentOnly(t *testing.T) {
	env := func(pairs map[string]string) func(string) string { return func(k string) string { return pairs[k] } }
	for name, tt := range map[string]struct {
		env            map[string]string
		user, password string
	}{
		"nothing":                         {nil, "", ""},
		"user and password":               {map[string]string{"ETCDCTL_USER": "u", "ETCDCTL_PASSWORD": "p"}, "u", "p"},
		"both in one, as etcdctl":         {map[string]string{"ETCDCTL_USER": "u:p:q"}, "u", "p:q"},
		"a colon in the name is its part": {map[string]string{"ETCDCTL_USER": "u:x", "ETCDCTL_PASSWORD": "p"}, "u:x", "p"},
	} {
		if user, password := login(env(tt.env)); user != tt.user || password != tt.password {
			t.Errorf("%s: %q %q", name, user, password)
		}
	}
}

// An interrupt is a matter of the process, so the real binary is run against an
// etcd, or a Vault, that accepts the connection and never answers, for longer than
// the test waits.
func TestAnInterruptEndsAtOnceWithoutAReport(t *testing.T) {
	log := filepath.Join(t.TempDir(), "0000000000000000-0000000000000000.wal")
	write(t, log, strings.Repeat("x", 4096))
	for name, args := range map[string]string{
		"etcd":  "scan --endpoints http://SILENT",
		"Vault": "key-usage " + log + " --vault-key k --vault-address https://SILENT --vault-token-file " + file(t, "token"),
	} {
		t.Run(name, func(t *testing.T) { interrupted(t, args) })
	}
}

func interrupted(t *testing.T, args string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	connected := make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err == nil {
			close(connected)
			<-t.Context().Done()
			_ = conn.Close()
		}
	}()
	bin, err := components.Build(t.Context(), t.Output(), components.ETCDAudit)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.Path(components.ETCDAudit), strings.Fields(strings.ReplaceAll(args, "SILENT", l.Addr().String()))...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "ETCDAUDIT_TIMEOUT=1h"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-connected:
	case <-ctx.Done(): // which has killed it
		t.Fatalf("it has not connected: %v, stdout %q, stderr %q", cmd.Wait(), out.String(), errs.String())
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || out.Len() != 0 || !strings.Contains(errs.String(), "interrupted") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("%v, stdout %q, stderr %q", err, out.String(), errs.String())
	}
}

// The keys and values here are those of a real kube-apiserver: none may be of a
// shape, a group or an encoding that the auditor does not know.
func TestEverythingThatARealAPIServerWritesIsRecognised(t *testing.T) {
	ctx := t.Context()
	c := clustertest.New(t, components.Etcd, components.APIServer)
	e, err := c.StartEtcd(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	api, err := c.StartAPIServer(ctx, cluster.APIServerOptions{Etcd: e})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Data: map[string][]byte{"password": []byte(stored.Canary)}}
	before := time.Now()
	if _, err := api.Client().CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	use(t, e)
	status, out, errs := run(t, "scan", "--output", "json", "--timeline")
	if status != 1 {
		t.Fatalf("status %d: %s", status, errs)
	}
	var r auditv1.Report
	if err := protojson.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if o := r.Checks[0].Results[0].Objects; len(o) != 1 || o[0].Namespace != "default" || o[0].Name != "db" {
		t.Errorf("plaintext Secrets: %v", o)
	}
	if len(r.Timelines) != 1 || r.Timelines[0].Name != "db" || len(r.Timelines[0].Readable) != 1 {
		t.Fatalf("timelines: %v", r.Timelines)
	}
	in := r.Timelines[0].Readable[0]
	if in.Until != nil || in.From.NotBefore == nil || in.From.NotAfter == nil || in.From.NotBefore.AsTime().After(before) || in.From.NotAfter.AsTime().Before(after) {
		t.Errorf("a Secret that was created from %v to %v was readable in %v", before, after, in)
	}
	if len(r.Scopes[0].Resources) < 10 {
		t.Errorf("only %d resources", len(r.Scopes[0].Resources))
	}
	if err := e.Walk(ctx, "/registry/", func(kv *mvccpb.KeyValue) error {
		k, ok := storedvalue.ParseKey("/registry", kv.Key)
		if format := storedvalue.Parse(kv.Value).Format; !ok || !k.Resource().Known || format == storedvalue.Unrecognised {
			t.Errorf("%s is not recognised: %v, %v", kv.Key, ok, format)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, stored.Canary) || strings.Contains(out, base64.StdEncoding.EncodeToString([]byte(stored.Canary))) {
		t.Error("a part of a value is shown")
	}
}
