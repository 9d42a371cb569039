package hostconfig

import (
	"path"
	"strings"
)

// manifests finds the static pods of all places that a kubelet may read them from.
func (r *reader) manifests() (starts []start) {
	before := len(r.host.Unread)
	defer func() { r.lost = r.host.Unread[before:] }()
	for _, place := range r.manifestPaths() {
		for _, name := range r.podFiles(place) {
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

// podFiles returns the files at a place of static pods: a directory, or one file.
func (r *reader) podFiles(place string) (files []string) {
	if r.tree.Stat(place).Mode.IsRegular() {
		return []string{place}
	}
	entries, err := r.tree.ReadDir(place)
	if err != nil {
		r.unreadable(place, err)
	}
	for _, e := range entries {
		// The kubelet reads every file whose name does not begin with a dot, whatever it
		// ends with: a copy "etcd.yaml.bak" is a pod of its own (pkg/kubelet/config/file.go).
		if !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			files = append(files, path.Join(place, e.Name()))
		}
	}
	return files
}
