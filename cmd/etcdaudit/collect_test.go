package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sealproof/sealproof/cmd/internal/cli"
	"github.com/sealproof/sealproof/etcdaudit/archive"
	"github.com/sealproof/sealproof/etcdaudit/audit"
	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/stored"
	"github.com/sealproof/sealproof/test/testkit"
)

const trees = "../../etcdaudit/hostconfig/testdata"

// collected writes an archive of a tree and returns its file.
func collected(t *testing.T, tree string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node.tar.gz")
	if status, out, errs := run(t, append([]string{"collect", "--root", tree, "--file", file}, args...)...); status != 0 && status != 2 || !strings.HasSuffix(out, "  "+file+"\n") {
		t.Fatalf("status %d, %q, %s", status, out, errs)
	}
	return file
}

func jsonReport(t *testing.T, args ...string) *auditv1.Report {
	t.Helper()
	status, out, errs := run(t, append(args, "--output", "json")...)
	r := &auditv1.Report{}
	if err := protojson.Unmarshal([]byte(out), r); err != nil {
		t.Fatalf("%v: status %d, %v, %s", args, status, err, errs)
	}
	return r
}

// same compares two reports, but for what says where they are from and when they were made.
func same(a, b *auditv1.Report) string {
	return cmp.Diff(a, b, protocmp.Transform(),
		protocmp.IgnoreFields(&auditv1.Scope{}, "text", "time", "sources"))
}

func TestAnArchiveGivesTheVerdictsOfItsNode(t *testing.T) {
	entries := testkit.Must(os.ReadDir(trees))(t)
	n := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		n++
		t.Run(e.Name(), func(t *testing.T) {
			tree := filepath.Join(trees, e.Name())
			key := []string{"--fingerprint-key", file(t, strings.Repeat("k", 32))}
			there := jsonReport(t, append([]string{"host", "--root", tree}, key...)...)
			elsewhere := jsonReport(t, "host", collected(t, tree, key...))
			if diff := same(there, elsewhere); diff != "" || len(there.Checks) < 20 {
				t.Errorf("%d checks; (-on the node +from the archive):\n%s", len(there.Checks), diff)
			}
			text := elsewhere.Scopes[0].Text
			if !strings.Contains(text, "collected at 20") || !strings.Contains(text, elsewhere.Scopes[0].Sources[0].Hash) {
				t.Errorf("the scope does not tell the archive: %s", text)
			}
		})
	}
	if n < 7 {
		t.Errorf("only %d trees", n)
	}
}

// One reading of this machine is evaluated twice: other tests start and stop etcds meanwhile.
func TestAnArchiveOfThisMachineGivesTheSameVerdicts(t *testing.T) {
	e := startEtcd(t)
	h := testkit.Must(hostconfig.Read(t.Context(), hostconfig.Options{Now: time.Now()}))(t)
	var file bytes.Buffer
	source := testkit.Must(archive.Write(&file, archive.Contents{Host: h}))(t)
	c := testkit.Must(archive.Read(&file))(t)
	if c.Source != source {
		t.Errorf("written %v, read %v", source, c.Source)
	}
	o := audit.Options{Groups: rules.Groups{Host: true}, Host: h, FailOn: auditv1.Severity_SEVERITY_MEDIUM}
	there := testkit.Must(audit.Run(t.Context(), o))(t)
	o.Host, o.Archive = c.Host, record.Input{Name: "file", Hash: source.Hash}
	elsewhere := testkit.Must(audit.Run(t.Context(), o))(t)
	if diff := same(there, elsewhere); diff != "" {
		t.Errorf("-on the node +from the archive:\n%s", diff)
	}
	if !slices.ContainsFunc(elsewhere.Configurations, func(c *auditv1.Configuration) bool {
		return slices.ContainsFunc(c.Settings, func(s *auditv1.Setting) bool { return s.Name == "data-dir" && s.Value == e.Member(0).DataDir })
	}) {
		t.Error("the etcd that runs is not in it")
	}
}

func TestSeveralArchivesMakeOneReport(t *testing.T) {
	one := filepath.Join(trees, "kubeadm")
	other := copyOf(t, one)
	edit(t, other, "etc/hostname", func(string) string { return "cp-2\n" })
	edit(t, other, "proc/2002/cmdline", func(s string) string { return strings.Replace(s, "--secure-port=6443", "--profiling=false", 1) })
	first, second := collected(t, one), collected(t, other)
	r := jsonReport(t, "host", second, first)
	if len(r.Scopes) != 2 || r.Scopes[0].Node != "cp-1" || r.Scopes[1].Node != "cp-2" || r.Scopes[0].Verdict == nil || r.Scopes[1].Verdict == nil {
		t.Fatalf("scopes: %v", r.Scopes)
	}
	flags := checkOf(t, r, "EA-602")
	if i := slices.IndexFunc(flags.Results, func(r *auditv1.Result) bool {
		return strings.Contains(r.Summary, "--profiling differs: none on cp-1; false on cp-2")
	}); i < 0 {
		t.Errorf("EA-602: %v", flags.Results)
	}
	status, out, errs := run(t, "host", first, second)
	for _, want := range []string{"node cp-1: FAIL", "node cp-2: FAIL", "EA-602", "--profiling differs", "cp-1: kube-apiserver"} {
		if !strings.Contains(oneLine(out), want) {
			t.Errorf("status %d, %s; does not say %q:\n%s", status, errs, want, out)
		}
	}
	storedReport := func(archive string) string {
		_, out, _ := run(t, "host", archive, "--output", "json", "--fail-on", "critical")
		return file(t, out)
	}
	again := jsonReport(t, "report", storedReport(second), storedReport(first))
	if again.Verdict.FailOn != auditv1.Severity_SEVERITY_CRITICAL || len(again.Scopes) != 2 || len(checkOf(t, again, "EA-602").Results) != len(flags.Results) {
		t.Errorf("of stored reports: %v", again.Verdict)
	}
	both := file(t, string(testkit.Must(protojson.Marshal(again))(t)))
	if status, out, errs := run(t, "report", storedReport(first), both); status != 3 || out != "" || !strings.Contains(errs, both+" is already about several nodes (cp-1, cp-2 …): give the reports or archives of the single nodes") {
		t.Errorf("a report of several nodes: status %d, %q, %q", status, out, errs)
	}
	for name, tt := range map[string]struct {
		archives []string
		says     string
	}{
		"the same twice":      {[]string{first, first}, first + " is named twice: name it once"},
		"the same node twice": {[]string{first, collected(t, one)}, "cp-1"},
	} {
		if status, out, errs := run(t, append([]string{"host"}, tt.archives...)...); status != 3 || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: status %d, %q, %q", name, status, out, errs)
		}
	}
}

// Two nodes with keys of their own, two of which are the same: that of the CA and that of the
// service accounts. Only one fingerprint key on both tells them.
func TestKeysOfNodesAreComparedUnderOneFingerprintKeyAlone(t *testing.T) {
	one := copyOf(t, filepath.Join(trees, "kubeadm"))
	other := copyOf(t, one)
	edit(t, other, "etc/hostname", func(string) string { return "cp-2\n" })
	key := func() string {
		der := testkit.Must(x509.MarshalPKCS8PrivateKey(testkit.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)))(t)
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	put := func(tree, file, text string) { edit(t, tree, file, func(string) string { return text }) }
	const account, server, peer, rules = "etc/kubernetes/pki/sa.key", "etc/kubernetes/pki/etcd/server.key", "etc/kubernetes/pki/etcd/peer.key", "etc/kubernetes/encryption/enc.yaml"
	shared, tokens := key(), key()
	for _, tree := range []string{one, other} {
		put(tree, account, tokens)
		put(tree, server, shared)
		put(tree, peer, key())
		put(tree, rules, stored.Head+stored.Entry("secrets", stored.Keys("aescbc", "k1"), stored.Identity))
	}
	edit(t, other, rules, func(s string) string { return s + "\n# another comment\n" })
	archives := func(keys ...string) []string {
		var files []string
		for i, tree := range []string{one, other} {
			args := []string{}
			if keys != nil {
				args = []string{"--fingerprint-key", keys[i]}
			}
			files = append(files, collected(t, tree, args...))
		}
		return append([]string{"host"}, files...)
	}
	status := func(r *auditv1.Report, id string) auditv1.Status { return checkOf(t, r, id).Status }
	const pass, fail, unevaluated = auditv1.Status_STATUS_PASS, auditv1.Status_STATUS_FAIL, auditv1.Status_STATUS_NOT_EVALUATED
	a, b := file(t, strings.Repeat("a", 32)), file(t, strings.Repeat("b", 32))
	r := jsonReport(t, archives(a, a)...)
	if status(r, "EA-604") != pass || status(r, "EA-607") != pass || status(r, "EA-606") != fail {
		t.Errorf("equal keys: %v %v %v", checkOf(t, r, "EA-604"), checkOf(t, r, "EA-607"), checkOf(t, r, "EA-606"))
	}
	found := 0
	for _, result := range checkOf(t, r, "EA-606").Results {
		if result.Status == fail {
			found++
			if len(result.Evidence) != 2 || !strings.Contains(result.Evidence[0].Source, "server.key") {
				t.Errorf("shared: %v", result)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d keys are on both nodes, want that of the servers", found)
	}
	for name, args := range map[string][]string{"two fingerprint keys": archives(a, b), "none": archives()} {
		r := jsonReport(t, args...)
		for _, id := range []string{"EA-604", "EA-606", "EA-607"} {
			c := checkOf(t, r, id)
			if c.Status != unevaluated || slices.ContainsFunc(c.Results, func(r *auditv1.Result) bool { return r.Status == fail }) {
				t.Errorf("%s: %v", name, c)
			}
		}
		if !slices.ContainsFunc(checkOf(t, r, "EA-606").Results, func(r *auditv1.Result) bool { return strings.Contains(r.Reason, "different fingerprint keys") }) {
			t.Errorf("%s: EA-606 does not say that keys were not compared: %v", name, checkOf(t, r, "EA-606"))
		}
	}
	put(other, account, key())
	edit(t, other, rules, func(s string) string {
		return regexp.MustCompile(`(secret"?: *"?)[A-Za-z0-9+/=]+`).ReplaceAllString(s, "${1}"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("z", 32))))
	})
	r = jsonReport(t, archives(a, a)...)
	if status(r, "EA-604") != fail || status(r, "EA-607") != fail {
		t.Errorf("different keys: %v %v", checkOf(t, r, "EA-604"), checkOf(t, r, "EA-607"))
	}
}

func TestAnArchiveThatCannotBeReadIsOneLine(t *testing.T) {
	good := collected(t, filepath.Join(trees, "kubeadm"))
	text := testkit.Must(os.ReadFile(good))(t)
	fifo := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"half of it":              {[]string{file(t, string(text[:len(text)/2]))}, "truncated"},
		"something else":          {[]string{file(t, "kind: Pod\n")}, "no archive of etcdaudit collect"},
		"one bad among good ones": {[]string{good, file(t, "")}, "truncated"},
		"no file":                 {[]string{"/no/such.tar.gz"}, "/no/such.tar.gz: no such file"},
		"a directory":             {[]string{fifo}, "no regular file"},
		"a device":                {[]string{"/dev/zero"}, "no regular file"},
		"with a root":             {[]string{good, "--root", fifo}, "give it to collect"},
		"with a kubeconfig":       {[]string{good, "--kubeconfig", good}, "give it to collect"},
	} {
		status, out, errs := run(t, append([]string{"host"}, tt.args...)...)
		if status != 3 || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", name, status, out, errs)
		}
	}
}

func TestCollectLeavesNothingHalfWritten(t *testing.T) {
	tree, dir := filepath.Join(trees, "kubeadm"), t.TempDir()
	link, old := filepath.Join(dir, "link"), filepath.Join(dir, "old")
	testkit.Check(t, os.Symlink(old, link))
	testkit.Check(t, os.WriteFile(old, []byte("before"), 0o644))
	for name, tt := range map[string]struct{ file, says string }{
		"no such directory": {filepath.Join(dir, "no/such"), "no such file"},
		"a device":          {"/dev/null", "file: /dev/null: it is no regular file: for a pipe or a device give --file -, and redirect stdout"},
		"a link":            {link, "symbolic link"},
		"a directory":       {dir, "it is a directory: name a file in it"},
	} {
		// Nothing was read before: collect would say what.
		if status, out, errs := run(t, "collect", "--root", tree, "--file", tt.file); status != 3 || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", name, status, out, errs)
		}
	}
	if status, _, errs := run(t, "collect", "--root", tree, "--file", old); status != 2 { // a copy of a node
		t.Errorf("an archive in the place of another file: %s", errs)
	}
	if info := testkit.Must(os.Stat(old))(t); info.Mode() != 0o600 || info.Size() < 1000 {
		t.Errorf("%v, %d bytes", info.Mode(), info.Size())
	}
	root := newCommand()
	var errs bytes.Buffer
	root.SetArgs([]string{"collect", "--root", tree, "--file", "-"})
	root.SetOut(fullDisk{})
	root.SetErr(&errs)
	if status := cli.Main(root, 2); status != 2 || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("a full disk: status %d, %s", status, errs.String())
	}
	if left := testkit.Must(os.ReadDir(dir))(t); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCollectNamesItsFileByNodeAndTime(t *testing.T) {
	t.Chdir(t.TempDir())
	tree := t.TempDir()
	testkit.Check(t, os.Mkdir(filepath.Join(tree, "etc"), 0o755))
	testkit.Check(t, os.WriteFile(filepath.Join(tree, "etc/hostname"), []byte("../cp/1\n"), 0o644))
	if status, out, errs := run(t, "collect", "--root", tree); status != 2 || !strings.Contains(out, "  etcdaudit-.._cp_1-20") || !strings.Contains(errs, "not read: owners, modes and times: "+tree+" is no mounted file system") {
		t.Errorf("status %d, %q, %s", status, out, errs)
	}
	if found := testkit.Must(filepath.Glob("etcdaudit-.._cp_1-*Z.tar.gz"))(t); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

func copyOf(t *testing.T, tree string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "node")
	testkit.Check(t, os.CopyFS(to, os.DirFS(tree)))
	return to
}

// edit changes a file of a tree, or makes it.
func edit(t *testing.T, tree, name string, change func(string) string) {
	t.Helper()
	path := filepath.Join(tree, name)
	before, err := os.ReadFile(path)
	if err != nil {
		testkit.Check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	}
	after := change(string(before))
	if after == string(before) {
		t.Fatalf("%s did not change", name)
	}
	testkit.Check(t, os.WriteFile(path, []byte(after), 0o600))
}
