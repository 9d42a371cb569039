package components

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryComponentCanBeExamined(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	b := builder{root: root, cache: cache{dir: t.TempDir()}}
	for _, c := range table() {
		s, err := b.examine(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !c.nested() {
			continue
		}
		if !strings.HasPrefix(s.version, "v") {
			t.Errorf("%s has version %q", c.name, s.version)
		}
		for _, arg := range s.arguments() {
			if strings.Contains(arg, "{version}") {
				t.Errorf("%s is built with %q", c.name, arg)
			}
		}
		if release, found := strings.CutPrefix(string(c.name), c.binary+"-"); found && !strings.HasPrefix(s.version, "v"+release+".") {
			t.Errorf("%s has version %s", c.name, s.version)
		}
	}
}

func TestEveryNestedServerIsAComponent(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, c := range table() {
		known = append(known, c.module)
	}
	found, err := filepath.Glob(filepath.Join(root, "test", "*server*", "go.mod"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no nested modules: %v", err)
	}
	for _, file := range found {
		module, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(known, filepath.ToSlash(module)) {
			t.Errorf("no component is built from %s", module)
		}
	}
}

func TestChooseKeepsTheBuildingOrder(t *testing.T) {
	got, err := choose(table(), []Name{APIServer, KMSPlugin, Etcd, KMSPlugin})
	if err != nil {
		t.Fatal(err)
	}
	var names []Name
	for _, c := range got {
		names = append(names, c.name)
	}
	if want := []Name{Etcd, KMSPlugin, APIServer}; !slices.Equal(names, want) {
		t.Errorf("order is %v, want %v", names, want)
	}
}

func TestChooseRefusesAnUnknownName(t *testing.T) {
	_, err := choose(table(), []Name{"etdc"})
	if err == nil || !strings.Contains(err.Error(), `"etdc"`) || !strings.Contains(err.Error(), "kmsplugin") {
		t.Errorf("error is %v", err)
	}
}

func TestFindRootSaysThatItIsOutside(t *testing.T) {
	t.Chdir(t.TempDir())
	if root, err := findRoot(); err == nil {
		t.Errorf("found %s", root)
	}
}

func TestFindRootIsNotMisledByANestedModule(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "test", "etcdserver"))
	got, err := findRoot()
	if err != nil || got != root {
		t.Errorf("found %s, %v; want %s", got, err, root)
	}
}

func TestCacheDirectoryFollowsTheEnvironment(t *testing.T) {
	t.Setenv(cacheVariable, "/some/where")
	if dir, err := cacheDir(); err != nil || dir != "/some/where" {
		t.Errorf("directory is %q, %v", dir, err)
	}
	t.Setenv(cacheVariable, "")
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := cacheDir(); err != nil || dir != filepath.Join(base, "sealproof") {
		t.Errorf("directory is %q, %v", dir, err)
	}
}
