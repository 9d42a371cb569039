package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/sealproof/sealproof/etcdaudit/etcdconfig"
	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/testkit"
)

// database makes a bbolt file with a key of an API server, and nothing else.
func database(t *testing.T, name string) string {
	t.Helper()
	testkit.Check(t, os.MkdirAll(filepath.Dir(name), 0o700))
	db := testkit.Must(bbolt.Open(name, 0o600, nil))(t)
	testkit.Check(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("key"))
		if err != nil {
			return err
		}
		// Revision 2, and a KeyValue with the key "/registry/namespaces/a" and the value "v".
		return b.Put([]byte("\x00\x00\x00\x00\x00\x00\x00\x02_\x00\x00\x00\x00\x00\x00\x00\x00"), []byte("\x0a\x16/registry/namespaces/a\x10\x02\x18\x02\x20\x01\x2a\x01v"))
	}))
	testkit.Check(t, db.Close())
	return name
}

// contents are those of every file below a directory, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	testkit.Check(t, filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		all[name] = string(text)
		return err
	}))
	return all
}

func TestNoInputIsOverwritten(t *testing.T) {
	noEtcdctl(t)
	dir := t.TempDir()
	db, snapshot := database(t, dir+"/data/member/snap/db"), database(t, dir+"/copies/snap.db")
	outside := database(t, dir+"/elsewhere/late.db")
	link, hard, linked := dir+"/link", dir+"/hard", dir+"/linked"
	testkit.Check(t, os.Symlink(dir+"/data", link))
	testkit.Check(t, os.Link(snapshot, hard))
	testkit.Check(t, os.Mkdir(linked, 0o700))
	testkit.Check(t, os.Symlink(outside, linked+"/late.db"))
	named := func(name, text string) string {
		name = filepath.Join(dir, name)
		testkit.Check(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	config, encryption, accepted := named("config.yaml", "rate: 1\n"), named("encryption.yaml", encryptionConfig), named("accepted.yaml", "")
	stored := named("report.json", string(testkit.Must(os.ReadFile(storedReport(t)))(t)))
	pem, kubeconfig, metrics, key := named("a.pem", "x"), named("kubeconfig", "x"), named("metrics", "x"), named("fingerprint", strings.Repeat("k", 32))
	const etcd = " --endpoints http://127.0.0.1:1"
	before := contents(t, dir)
	for call, file := range map[string]string{
		"scan " + db:             db,
		"scan " + dir + "/data":  db,
		"scan " + dir + "/data ": dir + "/data/member/snap/new",
		"scan " + link:           dir + "/data/report.json",
		"scan " + snapshot:       hard,
		"scan " + hard:           snapshot,
		"scan " + dir + "/copies --config " + config:                 config,
		"scan " + dir + "/copies":                                    dir + "/copies/report.html",
		"scan " + linked:                                             outside,
		"scan " + snapshot + " --accept " + accepted:                 accepted,
		"scan --encryption-provider-config " + encryption + " " + db: encryption,
		"scan --wal-dir " + dir + "/elsewhere " + dir + "/data":      dir + "/elsewhere/0.wal",
		"scan --cacert " + pem + etcd:                                pem,
		"scan --cert " + pem + " --key " + key + etcd:                key,
		"scan --cert " + key + " --key " + pem + etcd:                key,
		"scan --kubeconfig " + kubeconfig + etcd:                     kubeconfig,
		"tls --probe-cert a=" + pem + "," + key + etcd:               pem,
		"tls --probe-cert b=" + pem + "," + key + etcd:               key,
		"host --apiserver-metrics " + metrics:                        metrics,
		"host --fingerprint-key " + key:                              key,
		"host --snapshot-dir " + dir + "/copies":                     dir + "/copies/x",
		"host --root " + dir + "/elsewhere":                          dir + "/elsewhere/x",
		"host " + stored:                                             stored,
		"report " + stored:                                           stored,
		"collect --root " + dir + "/copies":                          dir + "/copies/node.tar.gz",
		"collect --fingerprint-key " + key:                           key,
		"collect --config " + config:                                 config,
	} {
		option := []string{"-o", "json=" + file}
		if strings.HasPrefix(call, "collect") {
			option = []string{"--file", file}
		}
		status, out, errs := run(t, append(strings.Fields(call), option...)...)
		if says := strings.Contains(errs, file+" is read in this call (") || strings.Contains(errs, file+" lies in "); status != 3 || out != "" || !says || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s %s: status %d, %q, %s", call, option, status, out, errs)
		}
	}
	if after := contents(t, dir); !reflect.DeepEqual(after, before) {
		t.Error("a file was changed, or written")
	}
	// What is beside an input is none.
	if status, _, errs := run(t, "scan", snapshot, "-o", "json="+dir+"/copies/report.json"); status == 3 {
		t.Error(errs)
	}
}

// Every setting with the name of a file or directory is an input, unless it is written to.
func TestEverySettingThatNamesAFileIsAnInput(t *testing.T) {
	var s settings
	var names []string
	each(reflect.ValueOf(&s).Elem(), func(key, help string, value reflect.Value) {
		names = append(names, key)
		switch {
		case slices.Contains([]string{"output", "file", "files", "work-dir", "endpoints"}, key) || !regexp.MustCompile("file|director|folder|kubeconfig").MatchString(help):
		case value.Kind() == reflect.String:
			value.SetString("/in/" + key)
		case value.Kind() == reflect.Slice:
			value.Set(reflect.ValueOf([]string{"/in/" + key}))
		}
	})
	s.TLS.ProbeCerts = []string{"a=/in/probe-cert,/in/probe-cert"}
	var read []string
	for _, in := range s.inputs("/in/config") {
		read = append(read, strings.TrimPrefix(in.path, "/in/"))
	}
	for _, key := range []string{"config", "cacert", "cert", "key", "encryption-provider-config", "accept", "kubeconfig", "fingerprint-key", "apiserver-metrics", "wal-dir", "root", "snapshot-dir", "probe-cert"} {
		if !slices.Contains(read, key) {
			t.Errorf("%s is no input", key)
		}
	}
	each(reflect.ValueOf(&s).Elem(), func(key, _ string, value reflect.Value) {
		set := value.Kind() == reflect.String && strings.HasPrefix(value.String(), "/in/")
		if set && !slices.Contains(read, key) {
			t.Errorf("%s names a file, and is no input", key)
		}
	})
	if len(names) < 30 {
		t.Errorf("only %d settings", len(names))
	}
}

func each(v reflect.Value, do func(key, help string, value reflect.Value)) {
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Struct {
			each(v.Field(i), do)
			continue
		}
		do(v.Type().Field(i).Tag.Get("mapstructure"), v.Type().Field(i).Tag.Get("help"), v.Field(i))
	}
}

// What a node's programs use is known once it was looked at, and no data has been read then.
func TestAFileThatANodeUsesIsNotOverwritten(t *testing.T) {
	root := node(t)
	a := auditRun{settings: defaults(), groups: rules.Groups{Host: true}, getenv: os.Getenv, stdout: t.Output(), stderr: t.Output()}
	a.Node.Root = root
	h := testkit.Must(a.host(t.Context()))(t)
	h.Etcds = append(h.Etcds, facts.Etcd{Files: map[string]facts.File{"/data": {Path: hostfacts.Path{Exists: true}, At: "/srv/etcd"}}, Config: etcdconfig.Effective{DataDir: "/data"}})
	testkit.Check(t, os.MkdirAll(root+"/srv/etcd/member", 0o700))
	if err := apart("output", root+"/etc/kubernetes/report.json", a.onNode(h)); err != nil {
		t.Errorf("beside them: %v", err)
	}
	for _, file := range []string{"/etc/kubernetes/manifests/etcd.yaml", "/srv/etcd/member/report.json"} {
		if err := apart("output", root+file, a.onNode(h)); err == nil {
			t.Errorf("%s may be written; read were %q", file, h.Read)
		}
	}
}

// What a copy of a node leads to is known late, and its place is refused like every other.
func TestAFileThatACopyOfANodeLeadsToIsNotOverwritten(t *testing.T) {
	noEtcdctl(t)
	root, dir := node(t), t.TempDir()
	outside := database(t, dir+"/late.db")
	snap := root + "/etc/kubernetes/tmp/kubeadm-backup-etcd-2026-11-28-10-00-00/etcd/member/snap"
	database(t, snap+"/db")
	testkit.Check(t, os.Symlink(outside, snap+"/0000000000000001-0000000000000001.snap.db"))
	before := contents(t, dir)
	status, out, errs := run(t, "scan", "--root", root, "--timeout", "1s", "-o", "json="+outside)
	if status != 3 || out != "" || !strings.Contains(errs, outside+" is read in this call (") || !reflect.DeepEqual(contents(t, dir), before) {
		t.Errorf("status %d, %q, %s", status, out, errs)
	}
}

func TestAnArgumentThatIsNamedTwiceIsAWrongCall(t *testing.T) {
	noEtcdctl(t)
	dir := t.TempDir()
	db := database(t, dir+"/a.db")
	link, hard, data := dir+"/link.db", dir+"/hard.db", filepath.Dir(database(t, dir+"/data/member/snap/db"))
	testkit.Check(t, os.Symlink(db, link))
	testkit.Check(t, os.Link(db, hard))
	stored := storedReport(t)
	for _, args := range [][]string{
		{"scan", db, db}, {"scan", db, dir + "/./a.db"}, {"scan", db, link}, {"scan", hard, db}, {"scan", dir, data, dir + "/"}, {"report", stored, stored}, {"host", stored, stored},
	} {
		status, out, errs := run(t, args...)
		if status != 3 || out != "" || !strings.Contains(errs, "is named twice") || !strings.Contains(errs, ": name it once\n") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: status %d, %q, %s", args, status, out, errs)
		}
	}
}
