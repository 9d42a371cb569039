// Package components builds the programs that the tests, the demo and the
// benchmarks run as real processes: etcd, Vault and kube-apiserver from the
// nested modules under test/, and the product's own binaries from cmd/.
//
// It must never know how any of them is started or configured (package cluster
// does), and nothing that is shipped may import it.
package components

import (
	"context"
	"fmt"
	"io"
)

// Name is one program that can be built.
type Name string

// The programs. A number is the release line of a second or third version of
// the same program; the exact versions are in the modules' go.mod files.
const (
	Etcd          Name = "etcd"
	Etcd36        Name = "etcd-3.6"
	Etcd35        Name = "etcd-3.5"
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
)

// FIPSModule is the newest version of Go's cryptographic module that is certified
// (GOROOT/lib/fips140/certified.txt).
const FIPSModule = "v1.0.0"

// component says how one program is built. It is data: everything in it takes
// part in the key under which the binary is kept.
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
	cost    cost
}

// nested says whether the program has a module of its own, so that everything
// that goes into it can be hashed, and it is built only when that changes. The
// product's own programs are not: what goes into them is all over the root
// module, and Go's build cache knows exactly whether it has changed.
func (c component) nested() bool { return c.module != "." }

// table holds every program in the order in which they are built: etcd is
// quick and most tests need it, the product is what is being worked on, and a
// mistake in it should show before minutes are spent on the rest.
func table() []component {
	const (
		etcdModule = "go.etcd.io/etcd/server/v3"
		kubeModule = "k8s.io/kubernetes"
		// Without it kube-apiserver calls itself v0.0.0-master and refuses
		// feature gates that name a version.
		kubeLDFlags = "-s -w -X k8s.io/component-base/version.gitVersion={version}"
	)
	static := []string{"CGO_ENABLED=0"}
	etcd := func(name Name, dir string) component {
		return component{
			name: name, binary: "etcd", module: dir, pkg: ".", version: etcdModule, ldflags: "-s -w",
			cost: cost{seconds: 25, binary: 25 * mib, modules: 300 * mib, buildCache: 310 * mib},
		}
	}
	// It shares most of what it is compiled from with kube-apiserver.
	kubeadm := component{
		name: Kubeadm, binary: "kubeadm", module: "test/kubeadm", pkg: ".", version: kubeModule, ldflags: kubeLDFlags,
		cost: cost{seconds: 150, binary: 100 * mib, modules: 650 * mib, buildCache: 1500 * mib},
	}
	kube := func(name Name, dir string) component {
		return component{
			name: name, binary: "kube-apiserver", module: dir, pkg: ".", version: kubeModule, ldflags: kubeLDFlags,
			cost: cost{seconds: 330, binary: 120 * mib, modules: 650 * mib, buildCache: 2800 * mib},
		}
	}
	product := func(name Name, flags, env []string, seconds int) component {
		return component{
			name: name, binary: string(name), module: ".", flags: flags, env: env, ldflags: "-s -w",
			cost: cost{seconds: seconds, binary: 30 * mib, modules: 200 * mib, buildCache: 150 * mib},
		}
	}

	plugin := product(KMSPlugin, []string{"-trimpath"}, static, 25)
	plugin.pkg = "./cmd/kmsplugin"
	race := product(KMSPluginRace, []string{"-race"}, []string{"CGO_ENABLED=1"}, 45)
	race.pkg, race.binary, race.ldflags = "./cmd/kmsplugin", "kmsplugin", ""
	skewed := product(KMSPluginSkewed, []string{"-trimpath"}, static, 60)
	skewed.pkg, skewed.binary, skewed.movable = "./cmd/kmsplugin", "kmsplugin", true
	fips := product(KMSPluginFIPS, []string{"-trimpath"}, append([]string{"GOFIPS140=" + FIPSModule}, static...), 60)
	fips.pkg, fips.binary = "./cmd/kmsplugin", "kmsplugin"
	audit := product(ETCDAudit, []string{"-trimpath"}, static, 25)
	audit.pkg = "./cmd/etcdaudit"

	return []component{
		etcd(Etcd, "test/etcdserver"),
		etcd(Etcd36, "test/etcdserver-3.6"),
		etcd(Etcd35, "test/etcdserver-3.5"),
		plugin,
		race,
		skewed,
		fips,
		audit,
		{
			name: Vault, binary: "vaultserver", module: "test/vaultserver", pkg: ".",
			version: "github.com/hashicorp/vault", ldflags: "-s -w",
			cost: cost{seconds: 220, binary: 120 * mib, modules: 3000 * mib, buildCache: 1750 * mib},
		},
		kube(APIServer, "test/apiserver"),
		kube(APIServer136, "test/apiserver-1.36"),
		kubeadm,
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
	return []Name{Etcd, KMSPlugin, KMSPluginRace, KMSPluginSkewed, ETCDAudit, Vault, APIServer}
}

// Binaries is what Build has made or found.
type Binaries map[Name]Binary

// Binary is one program that is ready to run.
type Binary struct {
	Path    string // absolute
	Version string // as in go.mod, such as "v3.7.3"; empty for the product's own
}

// Path returns the absolute path of a program's binary. It panics for a name
// that was not given to Build: that is a mistake in the calling code, and an
// empty path would show up much later as a strange exec error.
func (b Binaries) Path(name Name) string { return b.get(name).Path }

// Version returns a program's version as its go.mod has it ("v3.7.3"), and ""
// for the product's own. It panics like Path.
func (b Binaries) Version(name Name) string { return b.get(name).Version }

func (b Binaries) get(name Name) Binary {
	bin, ok := b[name]
	if !ok {
		panic(fmt.Sprintf("components: %q was not asked for in Build", name))
	}
	return bin
}

// Build makes sure that a current binary of every named program exists and
// returns where. Programs that are up to date cost milliseconds; what is not
// is compiled, which takes minutes for the large ones: out is told what will
// happen, how long it takes and how much disk it needs. Several processes may
// call it at once; each binary is built by one of them.
//
// A cancelled ctx stops the compiler. The compiler's own messages are in the
// error.
func Build(ctx context.Context, out io.Writer, names ...Name) (Binaries, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	selected, err := choose(table(), names)
	if err != nil {
		return nil, err
	}
	b := builder{root: root, cache: cache{dir: dir}, out: out}
	return b.build(ctx, selected)
}

// Clean removes every binary that Build has made, of all checkouts, and says
// where they were.
func Clean() (dir string, err error) {
	dir, err = cacheDir()
	if err != nil {
		return "", err
	}
	return dir, cache{dir: dir}.clean()
}

// choose returns the named components in building order, each once.
func choose(all []component, names []Name) ([]component, error) {
	wanted := make(map[Name]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	var chosen []component
	for _, c := range all {
		if wanted[c.name] {
			chosen = append(chosen, c)
			delete(wanted, c.name)
		}
	}
	for n := range wanted {
		return nil, fmt.Errorf("no component is called %q; there are %v", n, Names())
	}
	return chosen, nil
}
