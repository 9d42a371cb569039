package hostconfig_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/hostconfig"
	"github.com/sealproof/sealproof/test/testkit"
)

func TestDataAndItsCopiesAreFoundOnEachKindOfNode(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		dir   string
		// endpoint is one that leads to the etcd.
		endpoint string
		copies   []string
	}{
		"kubeadm": {
			[]string{"var/lib/etcd/member/snap/db", "etc/kubernetes/tmp/kubeadm-backup-etcd-1/etcd/member/snap/db", "var/lib/etcd/old.db"},
			"/var/lib/etcd", "https://127.0.0.1:2379", []string{"/etc/kubernetes/tmp/kubeadm-backup-etcd-1"},
		},
		"rke2": {
			[]string{"var/lib/rancher/rke2/server/db/etcd/member/snap/db", "var/lib/rancher/rke2/server/db/snapshots/etcd-snapshot-cp-1"},
			"/var/lib/rancher/rke2/server/db/etcd", "https://127.0.0.1:2379", []string{"/var/lib/rancher/rke2/server/db/snapshots"},
		},
		"k3s": {
			[]string{"var/lib/rancher/k3s/server/db/etcd/member/snap/db", "var/lib/rancher/k3s/server/db/snapshots/on-demand"},
			"/var/lib/rancher/k3s/server/db/etcd", "https://127.0.0.1:2379", []string{"/var/lib/rancher/k3s/server/db/snapshots"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			testkit.Check(t, os.CopyFS(root, os.DirFS(filepath.Join("testdata", name))))
			for _, file := range tc.files {
				file = filepath.Join(root, file)
				testkit.Check(t, os.MkdirAll(filepath.Dir(file), 0o755))
				testkit.Check(t, os.WriteFile(file, []byte("x"), 0o600))
			}
			h := testkit.Must(hostconfig.Read(t.Context(), hostconfig.Options{Root: root}))(t)
			if len(h.Etcds) != 1 {
				t.Fatalf("etcds: %+v", h.Etcds)
			}
			if d := hostconfig.DataOf(h.Etcds[0]); d.Dir != tc.dir || d.WALDir != "" || !slices.Contains(d.Endpoints, tc.endpoint) {
				t.Errorf("%+v", d)
			}
			if copies := hostconfig.Copies(h); !slices.Equal(copies, tc.copies) {
				t.Errorf("copies in %q, want %q", copies, tc.copies)
			}
		})
	}
}
