package hostconfig

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/hostfacts"
)

// Where RKE2 and k3s keep their data, unless they are told otherwise.
const (
	rke2Dir = "/var/lib/rancher/rke2"
	k3sDir  = "/var/lib/rancher/k3s"
)

// rancher is a k3s or RKE2 as this node is told to run it. RKE2 has the flags of k3s, and
// variables that begin with its own name (rancher/rke2, pkg/cli/cmds).
type rancher struct {
	name, program string
	// variables is what its variables begin with, config its file, unless it is told otherwise.
	variables, config string
	// dir is where its data is, process its running server; nil if there is none.
	dir      string
	process  *hostfacts.Running
	settings k3sSettings
	// source is what the settings are of, unknown why flags are missing among them.
	source, unknown string
}

// ranchers are those that may be on the node. units are the services that start one.
func (r *reader) ranchers(units []start) (all []rancher) {
	for _, one := range []rancher{
		{name: "RKE2", program: rke2Program, variables: "RKE2_", config: "/etc/rancher/rke2/config.yaml", dir: rke2Dir},
		{name: "k3s", program: k3sProgram, variables: "K3S_", config: "/etc/rancher/k3s/config.yaml", dir: k3sDir},
	} {
		one.process = r.serverProcess(one.program)
		own := slices.DeleteFunc(slices.Clone(units), func(s start) bool { return s.program != one.program })
		r.settle(&one, own)
		one.dir = path.Clean("/" + one.settings.last("data-dir", one.dir))
		all = append(all, one)
	}
	return all
}

func startsRancher(s start) bool { return s.program == k3sProgram || s.program == rke2Program }

// rancherDirs are the directories of data that k3s and RKE2 have on this node, or had before
// they were told of another one.
func (r *reader) rancherDirs() []string {
	dirs := []string{rke2Dir, k3sDir}
	for _, one := range r.rancher {
		if !slices.Contains(dirs, one.dir) {
			dirs = append(dirs, one.dir)
		}
	}
	return dirs
}

// rancherConfigs are the configuration files of k3s and RKE2.
func (r *reader) rancherConfigs() (files []string) {
	for _, one := range r.rancher {
		files = append(files, one.config)
	}
	return files
}

// rancherKubeconfigs are those of the kubelet of k3s and RKE2.
func (r *reader) rancherKubeconfigs() (files []string) {
	for _, dir := range r.rancherDirs() {
		files = append(files, path.Join(dir, "agent/kubelet.kubeconfig"))
	}
	return files
}

// serverProcess returns the running server of k3s or RKE2, nil if there is none. Its environment
// may hold a token, and is not kept.
func (r *reader) serverProcess(program string) *hostfacts.Running {
	found, err := r.procs.Find(func(name string, args []string) bool {
		words := strings.Fields(args[0]) // k3s sets its title: one word "/usr/local/bin/k3s server"
		words = append(words, args[1:]...)
		return len(words) > 1 && (strings.HasPrefix(name, program) || path.Base(words[0]) == program) && words[1] == "server"
	})
	if err != nil || len(found) == 0 {
		return nil
	}
	p := found[0]
	l := look(fmt.Sprintf("process %d", p.PID), program, p.Args[1:], p.Environment)
	if slices.Contains(p.Denied, "environ") {
		l.Missing = "its environment may not be read: " + inspectRight
	}
	r.host.Looked = append(r.host.Looked, l)
	p.Environment = nil
	return &p
}

// rancherDir is the directory of data of one of them.
func (r *reader) rancherDir(program string) string {
	return r.rancher[slices.IndexFunc(r.rancher, func(one rancher) bool { return one.program == program })].dir
}
