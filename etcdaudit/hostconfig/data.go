package hostconfig

import (
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Data is where an etcd of a host keeps what it stores.
type Data struct {
	// Etcd is its name.
	Etcd string
	// Dir is its data directory on the host, and WALDir the directory of its write-ahead log,
	// which is empty if that is in Dir.
	Dir, WALDir string
	// Endpoints are the client addresses at which it can be reached from the host.
	Endpoints []string
}

// DataOf returns where an etcd keeps what it stores. Dir is empty where its configuration does
// not say, or where there is no such directory on the host.
func DataOf(e facts.Etcd) Data {
	d := Data{Etcd: e.Name, Endpoints: Endpoints(e)}
	if dir := e.Files[e.Config.DataDir]; dir.Exists {
		d.Dir = dir.At
	}
	if wal := e.Files[e.Config.WALDir]; e.Config.WALDir != "" && wal.Exists {
		d.WALDir = wal.At
	}
	return d
}

// Endpoints returns the client addresses of an etcd, as a client on its host reaches them.
func Endpoints(e facts.Etcd) (urls []string) {
	for _, u := range slices.Concat(e.Config.ListenClient, e.Config.AdvertiseClient) {
		if u = loopbackFor(u); !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// Copies returns the folders of a host in which copies of etcd's data were found, but for those
// in the data directories themselves, and those that could not be looked into.
func Copies(h *facts.Host) (dirs []string) {
	for _, f := range h.Snapshots {
		// What kubeadm keeps is a whole data directory, with its log.
		dir := strings.TrimSuffix(f.Path, kubeadmCopy)
		own := slices.ContainsFunc(h.Etcds, func(e facts.Etcd) bool {
			data := path.Clean(DataOf(e).Dir)
			return data == dir || strings.HasPrefix(dir, data+"/")
		})
		if (f.Copies > 0 || f.Err != "") && !own && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
