package main

import (
	"bytes"
	"os"
	"path/filepath"
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
	stored := func(archive string) string {
		_, out, _ := run(t, "host", archive, "--output", "json", "--fail-on", "critical")
		return file(t, out)
	}
	again := jsonReport(t, "report", stored(second), stored(first))
	if again.Verdict.FailOn != auditv1.Severity_SEVERITY_CRITICAL || len(again.Scopes) != 2 || len(checkOf(t, again, "EA-602").Results) != len(flags.Results) {
		t.Errorf("of stored reports: %v", again.Verdict)
	}
	for name, tt := range map[string]struct {
		archives []string
		says     string
	}{
		"the same twice":      {[]string{first, first}, first + " and " + first + " are the same (node cp-1)"},
		"the same node twice": {[]string{first, collected(t, one)}, "cp-1"},
	} {
		if status, out, errs := run(t, append([]string{"host"}, tt.archives...)...); status != 3 || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: status %d, %q, %q", name, status, out, errs)
		}
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
		"with a root":             {[]string{good, "--root", fifo}, "give them to collect"},
		"with a kubeconfig":       {[]string{good, "--kubeconfig", good}, "give them to collect"},
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
