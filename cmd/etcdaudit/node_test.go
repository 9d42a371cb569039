package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	auditv1 "github.com/sealproof/sealproof/proto/sealproof/audit/v1"
	"github.com/sealproof/sealproof/test/cluster"
	"github.com/sealproof/sealproof/test/testkit"
)

// nodeOf is the tree of a control-plane node whose etcd, the one given, runs beside the test: the
// manifest names its addresses and certificates, and its data lies in the tree.
func nodeOf(t *testing.T, e *cluster.Etcd) (root string) {
	t.Helper()
	root = t.TempDir()
	files := e.ClientFiles()
	for name, file := range map[string]string{"ca.crt": files.CA, "client.crt": files.Cert, "client.key": files.Key} {
		write(t, filepath.Join(root, "etc/kubernetes/pki", name), string(testkit.Must(os.ReadFile(file))(t)))
	}
	pod := func(name string, args ...string) {
		write(t, filepath.Join(root, "etc/kubernetes/manifests", name+".yaml"), fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  hostNetwork: true\n  containers:\n  - {name: %s, command: [%s, %s], volumeMounts: [{name: pki, mountPath: /etc/kubernetes/pki}, {name: data, mountPath: /var/lib/etcd}]}\n"+
			"  volumes: [{name: pki, hostPath: {path: /etc/kubernetes/pki}}, {name: data, hostPath: {path: /srv/etcd}}]\n", name, name, name, strings.Join(args, ", ")))
	}
	pod("etcd", "--data-dir=/var/lib/etcd", "--listen-client-urls="+e.Endpoints()[0], "--advertise-client-urls="+e.Endpoints()[0])
	pod("kube-apiserver", "--etcd-servers="+e.Endpoints()[0], "--etcd-cafile=/etc/kubernetes/pki/ca.crt", "--etcd-certfile=/etc/kubernetes/pki/client.crt", "--etcd-keyfile=/etc/kubernetes/pki/client.key")
	testkit.Check(t, os.MkdirAll(filepath.Join(root, "srv"), 0o755))
	testkit.Check(t, os.Rename(e.Member(0).DataDir, filepath.Join(root, "srv/etcd")))
	testkit.Check(t, os.Symlink(filepath.Join(root, "srv/etcd"), e.Member(0).DataDir))
	return root
}

func write(t *testing.T, name, text string) {
	t.Helper()
	testkit.Check(t, os.MkdirAll(filepath.Dir(name), 0o755))
	testkit.Check(t, os.WriteFile(name, []byte(text), 0o600))
}

// What an operator types on a node, apart from where the node's file system is.
func TestScanOfANodeReadsItsFilesAsWell(t *testing.T) {
	e, dir := leftBehind(t)
	testkit.Check(t, e.Stop(t.Context()))
	root := nodeOf(t, e)
	// kubeadm's copy is of before the upgrade, and the snapshots are where people keep them.
	backup := filepath.Join(root, "etc/kubernetes/tmp/kubeadm-backup-etcd-2026-01-02-03-04-05")
	testkit.Check(t, os.CopyFS(filepath.Join(backup, "etcd"), os.DirFS(filepath.Join(root, "srv/etcd"))))
	write(t, filepath.Join(root, "var/lib/etcd-backup/2026/monday.db"), string(testkit.Must(os.ReadFile(filepath.Join(dir, "snapshot.db")))(t)))
	write(t, filepath.Join(root, "var/lib/etcd-backup/2026/tuesday.db"), "no database")
	write(t, filepath.Join(root, "var/backups/etcd/other.db"), "no database")

	// etcd is down: its files tell what they hold, and that live values were not read is said.
	r, errs := scanned(t, "scan", "--root", root, "--timeout", "2s")
	if layers := layersOf(r, "/srv/etcd/"); !slices.Equal(layers, []string{"live", "history", "free-pages", "wal"}) {
		t.Errorf("of the data directory: %q; %s", layers, errs)
	}
	if !slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool {
		return l.Name == "live values" && strings.Contains(l.Reason, "nothing listens there")
	}) {
		t.Errorf("live values are not said to be missing: %v", r.NotEvaluated)
	}

	testkit.Check(t, e.Restart(t.Context()))
	work := t.TempDir()
	r, errs = scanned(t, "scan", "--root", root, "--work-dir", work, "--timeline")
	for what, want := range map[string][]string{
		"(" + e.Endpoints()[0] + ")":    {"live"},
		"srv/etcd/member/snap/db), as ": {"live", "history", "free-pages"},
		"srv/etcd/member/wal":           {"wal"},
		"kubeadm-backup-etcd-2026":      {"live", "history", "free-pages", "wal"},
		"etcd-backup/2026/monday.db":    {"live", "history", "free-pages"},
		"etcd-backup/2026/tuesday.db":   nil,
		"bytes of no determined layer ": nil,
	} {
		if layers := layersOf(r, what); !slices.Equal(layers, want) {
			t.Errorf("%s: %q, want %q; %s", what, layers, want, errs)
		}
	}
	if !slices.ContainsFunc(r.NotEvaluated, func(l *auditv1.Layer) bool {
		return strings.Contains(l.Reason, "/var/backups/etcd/other.db is no database")
	}) {
		t.Errorf("a file that is no copy is not named: %v", r.NotEvaluated)
	}
	for _, s := range r.Scopes {
		if copied := strings.Contains(s.Text, "backup"); s.Layer != "host" && copied != (s.Copy != "") {
			t.Errorf("%s is %q", s.Text, s.Copy)
		}
	}
	if c := checkOf(t, r, "EA-101"); c.Status != auditv1.Status_STATUS_PASS {
		t.Errorf("live values: %v", c)
	}
	if c := checkOf(t, r, "EA-121"); c.Status != auditv1.Status_STATUS_FAIL || len(objectsIn(t, r, "EA-121", "wal")) == 0 {
		t.Errorf("what is left: %v", c)
	}
	for _, said := range []string{"etcd at " + e.Endpoints()[0], "as the client of " + root, "files as well: " + root + "/srv/etcd, ", "--files=false", "db is read " + inWords(t, e)} {
		if !strings.Contains(errs, said) {
			t.Errorf("stderr does not say %q: %s", said, errs)
		}
	}
	if left := testkit.Must(os.ReadDir(work))(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// What is live, in the member's files and in copies of them is one history.
	layers := map[string]bool{}
	for _, line := range r.Timelines {
		for _, scope := range line.RecoverableIn {
			layer, _, _ := strings.Cut(scope, ":")
			layers[layer] = true
		}
	}
	if len(r.TimelineBasis) != 1 || !layers["history"] || !layers["free-pages"] || !layers["wal"] {
		t.Errorf("timelines of %d stores, recoverable in %v", len(r.TimelineBasis), layers)
	}

	// Folders that lie in each other are read once.
	if r, errs = scanned(t, "all", "--root", root, "--snapshot-dir", "/var/lib"); len(layersOf(r, "monday.db")) != 3 {
		t.Errorf("all, with a folder around that of the snapshots: %q, %s", layersOf(r, "monday.db"), errs)
	}

	r, errs = scanned(t, "scan", "--root", root, "--files=false")
	if layers := layersOf(r, ""); !slices.Equal(layers, []string{"live", "host"}) || strings.Contains(errs, "files") {
		t.Errorf("without files: %q, %s", layers, errs)
	}
	r, _ = scanned(t, "all", "--root", root)
	if layers := layersOf(r, "srv/etcd"); !slices.Equal(layers, []string{"undetermined", "wal"}) {
		t.Errorf("all, without a place for a snapshot: %q", layers)
	}
}

// scanned is a report in JSON, and what was said beside it.
func scanned(t *testing.T, args ...string) (*auditv1.Report, string) {
	t.Helper()
	_, out, errs := run(t, append(args, "--output", "json")...)
	r := &auditv1.Report{}
	if err := protojson.Unmarshal([]byte(out), r); err != nil {
		t.Fatalf("%q: %v, %s", args, err, errs)
	}
	return r, errs
}
