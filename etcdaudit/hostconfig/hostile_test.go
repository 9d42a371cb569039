package hostconfig

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// node makes a tree of files; a name that ends with a slash is a directory.
func node(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, root string) *facts.Host {
	t.Helper()
	h, err := Read(t.Context(), Options{Root: root, Now: time.Unix(1796000000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	manifests   = "etc/kubernetes/manifests/"
	etcdPod     = "kind: Pod\nspec:\n  containers:\n  - image: registry.k8s.io/etcd:3.6.5-0\n    command: [etcd, --data-dir=/d]\n"
	etcdService = "[Service]\nExecStart=/usr/bin/etcd --data-dir=/d\n"
)

// Each of these is reported, and what stands beside it is read all the same.
func TestWhatCannotBeReadLosesNothingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		file string // below the root
		make func(file string) error
		why  string
	}{
		"a loop of links":        {manifests + "a.yaml", func(f string) error { return os.Symlink(filepath.Base(f), f) }, "too many levels of symbolic links"},
		"a pipe":                 {manifests + "a.yaml", func(f string) error { return unix.Mkfifo(f, 0o600) }, "named pipe, not a regular file"},
		"a huge file":            {manifests + "a.yaml", func(f string) error { return sparse(f, 100<<20) }, "more than 1048576 bytes"},
		"tabs":                   {manifests + "a.yaml", func(f string) error { return os.WriteFile(f, []byte("kind: Pod\nspec:\n\tcontainers: []\n"), 0o600) }, "not a pod in YAML, near line 3"},
		"aliases without end":    {manifests + "a.yaml", func(f string) error { return os.WriteFile(f, []byte(bomb()), 0o600) }, "not a pod in YAML"},
		"aliases of a long text": {manifests + "a.yaml", func(f string) error { return os.WriteFile(f, []byte(longAliases()), 0o600) }, "not a pod in YAML: its aliases unfold"},
		"a pipe as a unit":       {"etc/systemd/system/etcd2.service", func(f string) error { return unix.Mkfifo(f, 0o600) }, "named pipe"},
		"a pipe as a drop-in":    {"etc/systemd/system/etcd.service.d/x.conf", func(f string) error { return unix.Mkfifo(f, 0o600) }, "named pipe"},
		"a pipe as certificate":  {"etc/kubernetes/pki/a.crt", func(f string) error { return unix.Mkfifo(f, 0o600) }, "named pipe"},
		"a pipe as kubelet's":    {"var/lib/kubelet/config.yaml", func(f string) error { return unix.Mkfifo(f, 0o600) }, "named pipe"},
		"a file as a directory":  {"etc/systemd/system/etcd.service.d", func(f string) error { return os.WriteFile(f, nil, 0o600) }, "not a directory"},
		"pipes in a recorded /proc": {"proc/7/status", func(f string) error {
			for _, each := range []string{"environ", "stat", "comm", "cgroup", "net/tcp", "net/unix"} {
				each = filepath.Join(filepath.Dir(f), each)
				if err := os.MkdirAll(filepath.Dir(each), 0o700); err != nil {
					return err
				}
				if err := unix.Mkfifo(each, 0o600); err != nil {
					return err
				}
			}
			return os.WriteFile(filepath.Join(filepath.Dir(f), "cmdline"), []byte("etcd\x00--data-dir=/other\x00"), 0o600)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := node(t, map[string]string{manifests + "etcd.yaml": etcdPod, "etc/systemd/system/etcd.service": etcdService})
			file := filepath.Join(root, tc.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tc.make(file); err != nil {
				t.Fatal(err)
			}
			h := read(t, root)
			if !slices.ContainsFunc(h.Etcds, func(e facts.Etcd) bool { return e.Source == "/"+manifests+"etcd.yaml" && e.Config.DataDir == "/d" }) {
				t.Errorf("the etcd beside it is lost: %+v", h.Etcds)
			}
			if tc.why != "" && !slices.ContainsFunc(h.Unread, func(m facts.Missing) bool { return m.What == "/"+tc.file && strings.Contains(m.Why, tc.why) }) {
				t.Errorf("not reported: %+v", h.Unread)
			}
		})
	}
}

func sparse(file string, size int64) error {
	if err := os.WriteFile(file, []byte("kind: Pod\n#"), 0o600); err != nil {
		return err
	}
	return os.Truncate(file, size)
}

// bomb is a document that would grow to 9^9 strings.
func bomb() string {
	var b bytes.Buffer
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		ref := strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i))+",", 9), ",")
		b.WriteString("a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + ref + "]\n")
	}
	return b.String() + "kind: Pod\n"
}

// longAliases is a document that would grow to 4.5 GB of text.
func longAliases() string {
	return "kind: Pod\na: &a " + strings.Repeat("x", 900_000) + "\nb:\n" + strings.Repeat("- *a\n", 5000)
}

func TestALinkInACollectedTreeDoesNotLeadOutOfIt(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "etcd.yaml")
	if err := os.WriteFile(outside, []byte(etcdPod), 0o600); err != nil {
		t.Fatal(err)
	}
	root := node(t, map[string]string{"etc/hostname": "n"})
	if err := os.MkdirAll(filepath.Join(root, manifests), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{outside, "../../../../../../../../../../.." + outside} {
		file := filepath.Join(root, manifests, "etcd.yaml")
		_ = os.Remove(file)
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
		if h := read(t, root); len(h.Etcds) > 0 || h.Setup.Kind != facts.Worker {
			t.Errorf("%s is followed: %+v", target, h.Etcds)
		}
	}
	// Inside the tree it leads where it leads on the node.
	inside := filepath.Join(root, outside)
	if err := os.MkdirAll(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inside, []byte(etcdPod), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := read(t, root); len(h.Etcds) != 1 {
		t.Errorf("not followed within the tree: %+v", h.Unread)
	}
}

func TestThereMustBeSomethingToRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{file, file + "-not"} {
		if _, err := Read(t.Context(), Options{Root: root}); err == nil {
			t.Errorf("%s is read", root)
		}
	}
}

func TestACopyBesideAManifestIsAPodOfItsOwn(t *testing.T) {
	h := read(t, node(t, map[string]string{manifests + "etcd.yaml": etcdPod, manifests + "etcd.yaml.bak": etcdPod, manifests + ".etcd.yaml.swp": etcdPod}))
	var sources []string
	for _, e := range h.Etcds {
		sources = append(sources, e.Source)
	}
	if want := []string{"/" + manifests + "etcd.yaml", "/" + manifests + "etcd.yaml.bak"}; !slices.Equal(sources, want) {
		t.Errorf("%v", sources)
	}
}

func TestANodeWhoseManifestCannotBeReadIsNotCalledAWorker(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a manifest":            {manifests + "kube-apiserver.yaml": "kind: Pod\nspec:\n\tcontainers: []\n"},
		"a directory":           {"etc/kubernetes/manifests/etcd.yaml/x": ""},
		"a huge file":           {manifests + "etcd.yaml": strings.Repeat("#", longestText+1)},
		"the kubelet's own one": {"var/lib/kubelet/config.yaml": "staticPodPath: [\n"},
	} {
		h := read(t, node(t, files))
		lost := name != "a directory" // a directory in it is passed over, as by the kubelet
		if (h.Setup.Kind == facts.Unknown) != lost || lost && !strings.Contains(h.Setup.Fact, h.Unread[0].What) {
			t.Errorf("%s: %+v, %+v", name, h.Setup, h.Unread)
		}
	}
}
