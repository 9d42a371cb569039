package hostconfig

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestSnapshotsAreFound(t *testing.T) {
	root := node(t, map[string]string{
		manifests + "etcd.yaml":                      "kind: Pod\nspec:\n  containers:\n  - image: etcd:3.6.5\n    command: [etcd, --data-dir=/d]\n    volumeMounts: [{mountPath: /d, name: d}]\n  volumes: [{name: d, hostPath: {path: /d}}]\n",
		"d/old.db":                                   "x",
		"d/member/snap/db":                           "x",
		"var/backups/etcd-2026-11-01/snap.db":        "x",
		"var/backups/other/snap.db":                  "x",
		"var/lib/etcd-backup/notes.txt":              "x",
		"mine/a":                                     "x",
		"mine/b":                                     "x",
		"etc/rancher/k3s/config.yaml":                "etcd-s3: true\netcd-snapshot-dir: /snaps\n",
		k3sService:                                   "[Service]\nExecStart=/usr/local/bin/k3s server\n",
		"etc/systemd/system/rke2-server.service":     "[Service]\nExecStart=/usr/local/bin/rke2 server\n",
		"var/lib/rancher/k3s/server/db/etcd/c":       "x",
		"snaps/etcd-snapshot-node-1":                 "x",
		"etc/rancher/rke2/config.yaml":               "x: y\n",
		"var/lib/rancher/rke2/server/db/etcd/config": "x",
		"etc/kubernetes/tmp/kubeadm-backup-etcd-2026/etcd/member/snap/db": "x",
	})
	late := time.Unix(1795990000, 0)
	testkit.Check(t, os.Chtimes(filepath.Join(root, "mine/a"), late, late))
	testkit.Check(t, os.Chtimes(filepath.Join(root, "mine/b"), late.Add(-time.Hour), late.Add(-time.Hour)))
	h := testkit.Must(Read(t.Context(), Options{Root: root, SnapshotDirs: []string{"/mine", "/none"}, OwnersKept: true, Now: time.Unix(1796000000, 0)}))(t)
	var got []string
	for _, s := range h.Snapshots {
		got = append(got, fmt.Sprintf("%s %d %s%s", s.Path, s.Copies, s.Remote, s.Here))
		if s.Path == "/mine" && (s.Newest != "/mine/a" || !s.Written.Equal(late)) {
			t.Errorf("%+v", s)
		}
	}
	if want := []string{
		"/mine 2 ", "/none 0 ", "/var/lib/rancher/rke2/server/db/snapshots 0 etcd-s3 is not set in /etc/rancher/rke2/config.yaml",
		"/snaps 1 S3, by /etc/rancher/k3s/config.yaml", "/var/backups/etcd-2026-11-01 1 ", "/etc/kubernetes/tmp/kubeadm-backup-etcd-2026/etcd/member/snap 1 ", "/d 1 ",
	}; !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if h.Copied != "" || keptAt(t, h, "/d/old.db").Secret == "" || keptAt(t, h, "/mine").Secret != "" {
		t.Errorf("%+v", h.Kept)
	}
}

// What lies beside copies is none, and must not make an old copy look new.
func TestOnlyCopiesCountAsSnapshots(t *testing.T) {
	files := map[string]string{
		"mine/snapshot-old.db": "x", "mine/snapshot-new.db.part": "x", "mine/snapshot-empty.db": "", "mine/etcd-backup.sh": "x", "mine/backup.log": "x", "mine/snapshot-old.db.sha256": "x",
		"dated/2026-11-26/snapshot.db": "x", "dated/2026-11-27/snapshot.db": "x", "dated/2026-11-27/deeper/snapshot.db": "x",
		"var/lib/etcd-backup/2026-11-27/snap.db": "x", "var/lib/etcd-backup/etcd-backup.sh": "x", "var/lib/etcd-backup/backup.log": "x",
	}
	root := node(t, files)
	old := time.Unix(1790000000, 0)
	for _, name := range []string{"mine/snapshot-old.db", "dated/2026-11-26/snapshot.db"} {
		testkit.Check(t, os.Chtimes(filepath.Join(root, name), old, old))
	}
	h := testkit.Must(Read(t.Context(), Options{Root: root, SnapshotDirs: []string{"/mine", "/dated"}, OwnersKept: true, Now: time.Unix(1796000000, 0)}))(t)
	var got []string
	for _, s := range h.Snapshots {
		got = append(got, fmt.Sprintf("%d %s", s.Copies, s.Newest))
	}
	if want := []string{"1 /mine/snapshot-old.db", "2 /dated/2026-11-27/snapshot.db", "1 /var/lib/etcd-backup/2026-11-27/snap.db"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if keptAt(t, h, "/dated/2026-11-26/snapshot.db").Secret == "" {
		t.Error("a copy in a folder is not known to be a secret")
	}
}

func TestOfManyFoldersTheLastOnesAreLookedInto(t *testing.T) {
	files := map[string]string{}
	for i := range mostSubfolders + 1 {
		files[fmt.Sprintf("dated/%04d/snapshot.db", i)] = "x"
	}
	h := testkit.Must(Read(t.Context(), Options{Root: node(t, files), SnapshotDirs: []string{"/dated"}, OwnersKept: true}))(t)
	said := slices.ContainsFunc(h.Unread, func(m facts.Missing) bool { return m.What == "/dated" })
	if s := h.Snapshots[0]; s.Copies != mostSubfolders || !said || slices.ContainsFunc(h.Kept, func(k facts.Kept) bool { return k.Path == "/dated/0000/snapshot.db" }) {
		t.Errorf("%+v, %+v", s, h.Unread)
	}
}

func TestWhereK3sAndRKE2SendSnapshotsIsSaidByFlagsAndVariablesToo(t *testing.T) {
	const rke2Service, missing = "etc/systemd/system/rke2-server.service", ""
	unit := func(program, flags, more string) string {
		return "[Service]\n" + more + "\nExecStart=/usr/local/bin/" + program + " server " + flags + "\n"
	}
	for name, tt := range map[string]struct {
		files map[string]string
		want  string // path, found by, remote, here
	}{
		"by a flag of k3s":    {map[string]string{k3sService: unit("k3s", "--etcd-s3 --etcd-snapshot-dir=/snaps", ""), "var/lib/rancher/k3s/server/db/etcd/c": "x"}, "/snaps, k3s, S3, by /" + k3sService + ", "},
		"by a flag of RKE2":   {map[string]string{rke2Service: unit("rke2", "--etcd-s3", ""), "var/lib/rancher/rke2/server/db/etcd/c": "x"}, "/var/lib/rancher/rke2/server/db/snapshots, RKE2, S3, by /" + rke2Service + ", "},
		"by a variable":       {map[string]string{rke2Service: unit("rke2", "", "Environment=RKE2_ETCD_S3=true RKE2_DATA_DIR=/big"), "big/server/db/etcd/c": "x"}, "/big/server/db/snapshots, RKE2, S3, by /" + rke2Service + ", "},
		"in the file":         {map[string]string{rke2Service: unit("rke2", "--config /srv/c.yaml", ""), "srv/c.yaml": "etcd-s3: true\ndata-dir: /big\n", "big/server/db/etcd/c": "x"}, "/big/server/db/snapshots, RKE2, S3, by /srv/c.yaml, "},
		"not at all":          {map[string]string{k3sService: unit("k3s", "", ""), "var/lib/rancher/k3s/server/db/etcd/c": "x"}, "/var/lib/rancher/k3s/server/db/snapshots, k3s, , etcd-s3 is not set in /" + k3sService},
		"switched off":        {map[string]string{k3sService: unit("k3s", "--etcd-disable-snapshots", ""), "var/lib/rancher/k3s/server/db/etcd/c": "x"}, missing},
		"by flags not known":  {map[string]string{"var/lib/rancher/k3s/server/db/etcd/c": "x"}, missing},
		"the same, with some": {map[string]string{"var/lib/rancher/k3s/server/db/etcd/c": "x", "var/lib/rancher/k3s/server/db/snapshots/x": "x"}, "/var/lib/rancher/k3s/server/db/snapshots, k3s, , "},
	} {
		for _, asked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, asked), func(t *testing.T) {
				files, want := maps.Clone(tt.files), tt.want
				opts := Options{Root: node(t, files), OwnersKept: true}
				if asked && want != missing {
					// The folder is that of k3s all the same.
					var dir, found, rest string
					_, _ = fmt.Sscanf(want, "%s %s", &dir, &found)
					dir, rest = dir[:len(dir)-1], want[len(dir)+len(found)+1:]
					opts.SnapshotDirs, want = []string{dir}, dir+", --snapshot-dir,"+rest
				}
				h := testkit.Must(Read(t.Context(), opts))(t)
				got := missing
				for _, s := range h.Snapshots {
					got += fmt.Sprintf("%s, %s, %s, %s", s.Path, s.Found, s.Remote, s.Here)
				}
				if got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}
