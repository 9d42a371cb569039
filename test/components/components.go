// Package components builds the programs that the tests, the demo and the
// benchmarks run as real processes: etcd, Vault and kube-apiserver from the
// nested modules under test/, and the product's own binaries from cmd/.
//
// It must never know how any of them is started or configured (package cluster
// does), and nothing that is shipped may import it.
package components

import (
	"fmt"
	"slices"
)

// Name is one program that can be built.
type Name string

// The programs. A number is the release line of a second or third version of
// the same program; the exact versions are in the modules' go.mod files.
const (
	Etcd          Name = "etcd"
	Etcd36        Name = "etcd-3.6"
	Etcd35        Name = "etcd-3.5"
	Etcdctl       Name = "etcdctl"
	Vault         Name = "vault"
	APIServer     Name = "kube-apiserver"
	APIServer136  Name = "kube-apiserver-1.36"
	KMSPlugin     Name = "kmsplugin"
	KMSPluginRace Name = "kmsplugin-race"
	// KMSPluginSkewed is the plugin on a node whose clock is wrong, by
	// ClockOffsetVariable.
	KMSPluginSkewed Name = "kmsplugin-skewed"
	// KMSPluginFIPS has the FIPS 140-3 module that releases are built with.
	KMSPluginFIPS Name = "kmsplugin-fips"
	ETCDAudit     Name = "etcdaudit"
	Kubeadm       Name = "kubeadm"
	// ReadLog prints what etcd's own code reads in segments of its write-ahead log.
	ReadLog Name = "readlog"
)

// FIPSModule is the newest version of Go's cryptographic module that is certified
// (GOROOT/lib/fips140/certified.txt).
const FIPSModule = "v1.0.0"

// component says how one program is built.
type component struct {
	name    Name
	binary  string // file name of the binary, which is also what ps shows
	module  string // directory of the Go module, relative to the repository
	pkg     string // package to build, relative to module
	version string // import path of the dependency whose version this program has; empty for the product's own
	flags   []string
	ldflags string // in which {version} stands for the version found in go.mod
	env     []string
	movable bool // its clock can be moved, see ClockOffsetVariable
	first   cost
}

// cost is what a first build takes: measured for each program by itself, on two
// cores at about 3 GHz, with empty Go caches. Programs share modules, so sums of it
// are upper bounds. That of etcdctl is half of the CPU time of a build on a busy machine.
type cost struct{ seconds, mib int }

// table holds every program in the order in which they are built, one after the
// other: the go command already uses every core, and linking two of the large
// programs at once would need several GiB of memory. etcd is quick and most tests
// need it, the product is what is being worked on, and a mistake in it should show
// before minutes are spent on the rest.
func table() []component {
	nested := func(name Name, binary, dir, version string, first cost) component {
		return component{name: name, binary: binary, module: dir, pkg: ".", version: version, ldflags: "-s -w", first: first}
	}
	etcd := func(name Name, dir string) component {
		return nested(name, "etcd", dir, "go.etcd.io/etcd/server/v3", cost{25, 635})
	}
	readLog := etcd(ReadLog, "test/etcdserver")
	readLog.binary, readLog.pkg = "readlog", "./readlog"
	ctl := nested(Etcdctl, "etcdctl", "test/etcdserver", "go.etcd.io/etcd/etcdctl/v3", cost{40, 220}) // beside etcd's modules
	ctl.pkg = "./etcdctl"
	kube := func(name Name, binary, dir string, first cost) component {
		c := nested(name, binary, dir, "k8s.io/kubernetes", first)
		// Without it kube-apiserver calls itself v0.0.0-master and refuses feature
		// gates that name a version.
		c.ldflags += " -X k8s.io/component-base/version.gitVersion={version}"
		return c
	}
	product := func(name Name, program string, env ...string) component {
		return component{
			name: name, binary: program, module: ".", pkg: "./cmd/" + program,
			flags: []string{"-trimpath"}, ldflags: "-s -w", env: append(env, "CGO_ENABLED=0"), first: cost{25, 380},
		}
	}
	race := product(KMSPluginRace, "kmsplugin")
	race.flags, race.ldflags, race.env = []string{"-race"}, "", []string{"CGO_ENABLED=1"}
	skewed := product(KMSPluginSkewed, "kmsplugin")
	skewed.movable = true

	return []component{
		etcd(Etcd, "test/etcdserver"),
		etcd(Etcd36, "test/etcdserver-3.6"),
		etcd(Etcd35, "test/etcdserver-3.5"),
		readLog,
		ctl,
		product(KMSPlugin, "kmsplugin"),
		race,
		skewed,
		product(KMSPluginFIPS, "kmsplugin", "GOFIPS140="+FIPSModule),
		product(ETCDAudit, "etcdaudit"),
		nested(Vault, "vaultserver", "test/vaultserver", "github.com/hashicorp/vault", cost{220, 4900}),
		kube(APIServer, "kube-apiserver", "test/apiserver", cost{330, 3600}),
		kube(APIServer136, "kube-apiserver", "test/apiserver-1.36", cost{330, 3600}),
		kube(Kubeadm, "kubeadm", "test/kubeadm", cost{150, 2250}),
	}
}

// Names returns every name, in building order.
func Names() []Name {
	var names []Name
	for _, c := range table() {
		names = append(names, c.name)
	}
	return names
}

// Default returns what `make test` and `make demo` need: one version of each
// program. The other versions are for `make test-matrix`.
func Default() []Name {
	return []Name{Etcd, Etcdctl, KMSPlugin, KMSPluginRace, KMSPluginSkewed, ETCDAudit, Vault, APIServer}
}

// choose returns the named components in building order, each once.
func choose(names []Name) ([]component, error) {
	for _, n := range names {
		if !slices.Contains(Names(), n) {
			return nil, fmt.Errorf("no component is called %q; there are %v", n, Names())
		}
	}
	return slices.DeleteFunc(table(), func(c component) bool { return !slices.Contains(names, c.name) }), nil
}

// Binaries is what Build has made.
type Binaries map[Name]Binary

// Binary is one program that is ready to run.
type Binary struct {
	Path    string // absolute
	Version string // as in go.mod, such as "v3.7.3"; empty for the product's own
}

// Path returns the absolute path of a program's binary. It panics for a name
// that was not given to Build: that is a mistake in the calling code, and an
// empty path would show up much later as a strange exec error.
func (b Binaries) Path(name Name) string {
	if _, ok := b[name]; !ok {
		panic(fmt.Sprintf("components: %q was not asked for in Build", name))
	}
	return b[name].Path
}
