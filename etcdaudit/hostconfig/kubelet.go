package hostconfig

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

const (
	kubeletUnit   = "kubelet.service"
	kubeletConfig = "/var/lib/kubelet/config.yaml" // kubeadm's
)

// manifestPaths returns where static pods are: the place of the kubelet's own configuration,
// else kubeadm's, and RKE2's.
func (r *reader) manifestPaths() []string {
	dirs := []string{cmp.Or(r.staticPodPath(), "/etc/kubernetes/manifests")}
	for _, dir := range r.rancherDirs() { // RKE2's
		if pods := dir + "/agent/pod-manifests"; pods != dirs[0] {
			dirs = append(dirs, pods)
		}
	}
	return dirs
}

// staticPodPath returns the place of static pods that the kubelet is told, "" for none: its
// flag counts before its file, and a later drop-in of the file before an earlier one
// (k8s.io/kubernetes cmd/kubelet/app/server.go).
func (r *reader) staticPodPath() string {
	s, known := r.kubelet()
	flag := func(name string) string { return lastFlag(s.args, name) }
	if place := flag("pod-manifest-path"); place != "" {
		return s.absolute(place)
	}
	var files []string
	if file := flag("config"); file != "" {
		files = append(files, s.absolute(file))
	} else if !known {
		files = append(files, kubeletConfig)
	}
	if dir := flag("config-dir"); dir != "" {
		files = append(files, r.kubeletDropIns(s.absolute(dir))...)
	}
	place := ""
	for _, file := range files {
		place = cmp.Or(r.staticPodPathIn(file), place)
	}
	return place
}

func (r *reader) kubeletDropIns(dir string) (files []string) {
	entries, err := r.tree.ReadDir(dir)
	if err != nil {
		r.unreadable(dir, err)
	}
	for _, e := range entries {
		if path.Ext(e.Name()) == ".conf" {
			files = append(files, path.Join(dir, e.Name()))
		}
	}
	return files
}

func (r *reader) staticPodPathIn(file string) string {
	text, ok := r.text(file)
	if !ok {
		return ""
	}
	var kubelet struct {
		StaticPodPath string `json:"staticPodPath"`
	}
	if err := boundedyaml.Unmarshal(text, &kubelet); err != nil {
		r.missing(file, "not a kubelet's configuration"+position(err), "")
		return ""
	}
	if kubelet.StaticPodPath == "" || path.IsAbs(kubelet.StaticPodPath) {
		return kubelet.StaticPodPath
	}
	return path.Join(path.Dir(file), kubelet.StaticPodPath) // relative to the file
}

// kubelet returns how the kubelet runs, else how its unit starts it. One in a container sees
// other files than this host, and is passed over. known is false if its flags are not known.
func (r *reader) kubelet() (s start, known bool) {
	isKubelet := func(words []string) bool {
		return path.Base(words[0]) == "kubelet" || path.Base(words[0]) == "hyperkube" && len(words) > 1 && words[1] == "kubelet"
	}
	found, err := r.procs.Find(func(_ string, args []string) bool { return isKubelet(args) })
	if err == nil {
		for _, p := range found {
			if p.SameRoot {
				return start{args: p.Args[1:], dir: p.Dir}, true
			}
		}
	}
	for _, dir := range unitDirs() {
		file := path.Join(dir, kubeletUnit)
		if !r.tree.Stat(file).Exists {
			continue
		}
		text, err := r.textOf(file)
		if err != nil {
			return s, false
		}
		svc, read := r.withDropIns(file, text, kubeletUnit)
		c, ok := r.command(svc, kubeletUnit)
		if !ok || !isKubelet(c.words) {
			return s, false
		}
		for _, name := range read {
			r.read[name] = true
		}
		s.dir, _ = specifiers(svc.dir, kubeletUnit, r.host.Node)
		s.args = c.words[1:]
		return s, c.unknown == ""
	}
	return s, false
}

// lastFlag returns the last value of a flag that is written as --name=value or --name value.
func lastFlag(args []string, name string) (value string) {
	for i, arg := range slices.Backward(args) {
		if v, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return v
		}
		if arg == "--"+name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
