package hostconfig

import (
	"path"
	"strings"

	"github.com/sealproof/sealproof/internal/boundedyaml"
)

// manifests finds the static pods of all places that a kubelet may read them from.
func (r *reader) manifests() (starts []start) {
	for _, dir := range r.manifestDirs() {
		entries, err := r.tree.ReadDir(dir)
		if err != nil {
			r.unreadable(dir, err)
		}
		for _, e := range entries {
			// The kubelet reads every file whose name does not begin with a dot, whatever it
			// ends with: a copy "etcd.yaml.bak" is a pod of its own (pkg/kubelet/config/file.go).
			if strings.HasPrefix(e.Name(), ".") || e.IsDir() {
				continue
			}
			name := path.Join(dir, e.Name())
			text, ok := r.text(name)
			if !ok {
				continue
			}
			found, err := parseManifest(name, text)
			if err != nil {
				r.missing(name, err.Error(), "")
			}
			starts = append(starts, found...)
		}
	}
	return starts
}

// manifestDirs returns the directories of static pods: the one of the kubelet's own
// configuration, kubeadm's and RKE2's.
func (r *reader) manifestDirs() []string {
	dirs := []string{"/etc/kubernetes/manifests"}
	if text, ok := r.text("/var/lib/kubelet/config.yaml"); ok {
		var kubelet struct {
			StaticPodPath string `json:"staticPodPath"`
		}
		if err := boundedyaml.Unmarshal(text, &kubelet); err != nil {
			r.missing("/var/lib/kubelet/config.yaml", "not a kubelet's configuration"+position(err), "")
		} else if kubelet.StaticPodPath != "" {
			dirs[0] = path.Clean(kubelet.StaticPodPath)
		}
	}
	return append(dirs, rke2Dir+"/agent/pod-manifests")
}
