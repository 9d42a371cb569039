package hostconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// mostCopies bounds how many files of one folder are inspected.
const mostCopies = 200

// candidate is a folder that may have copies of etcd's data.
type candidate struct {
	path, found  string
	copies       *regexp.Regexp // of names; nil for every file
	asked        bool           // it is reported even if it is empty or not there
	remote, here string
}

// snapshots finds the copies of etcd's data on this host, which have everything in them that
// its data directory had.
func (r *reader) snapshots() {
	byName := regexp.MustCompile(`(?i)snap|backup|\.db(\.|$)`)
	var all []candidate
	for _, dir := range r.opts.SnapshotDirs {
		all = append(all, candidate{path: path.Clean("/" + dir), found: "--snapshot-dir", asked: true})
	}
	all = append(all, r.rancherSnapshots()...)
	for _, dir := range []string{"/var/lib/etcd-backup", "/var/lib/etcd-backups", "/var/lib/etcd-snapshots", "/var/backups/etcd", "/backup/etcd", "/opt/etcd-backup", "/home/core/assets/backup"} {
		all = append(all, candidate{path: dir, found: "a usual place", copies: byName})
	}
	for _, dir := range r.under("/var/backups", "etcd-") { // kubespray's
		all = append(all, candidate{path: dir, found: "a usual place", copies: byName})
	}
	for _, dir := range r.under("/etc/kubernetes/tmp", "kubeadm-backup-etcd-") {
		all = append(all, candidate{path: path.Join(dir, "etcd/member/snap"), found: "a copy that kubeadm makes at each upgrade", copies: regexp.MustCompile(`^db$`)})
	}
	for _, e := range r.host.Etcds {
		if f := e.Files[e.Config.DataDir]; f.Exists && !strings.HasPrefix(f.At, "/proc/") {
			all = append(all, candidate{path: f.At, found: "the data directory of " + e.Name, copies: regexp.MustCompile(`\.db(\.|$)`)})
		}
	}
	seen := map[string]bool{}
	for _, c := range all {
		where, err := r.tree.Resolve(c.path)
		if err != nil {
			where = c.path
		}
		if !seen[where] {
			seen[where] = true
			r.snapshotFolder(c)
		}
	}
}

// under returns the folders of a directory whose names begin so.
func (r *reader) under(dir, prefix string) (all []string) {
	entries, err := r.tree.ReadDir(dir)
	if err != nil {
		r.unreadable(dir, err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			all = append(all, path.Join(dir, e.Name()))
		}
	}
	return all
}

// rancherSnapshots are those of k3s and RKE2, which take them themselves.
func (r *reader) rancherSnapshots() (all []candidate) {
	for _, setup := range []struct{ name, dir, config string }{{"RKE2", rke2Dir, "/etc/rancher/rke2/config.yaml"}, {"k3s", k3sDir, "/etc/rancher/k3s/config.yaml"}} {
		config, read := r.k3sFiles(setup.config)
		dir := path.Join(config.last("data-dir", setup.dir), "server/db")
		if !r.tree.Stat(path.Join(dir, "etcd")).Exists {
			continue // no etcd of its own
		}
		c := candidate{path: config.last("etcd-snapshot-dir", path.Join(dir, "snapshots")), found: setup.name, asked: config.last("etcd-disable-snapshots", "") != "true"}
		if config.last("etcd-s3", "") == "true" {
			c.remote = "S3, by " + strings.Join(read, " + ")
		} else {
			c.here = "etcd-s3 is not set in " + setup.config
		}
		all = append(all, c)
	}
	return all
}

func (r *reader) snapshotFolder(c candidate) {
	o := r.tree.Stat(c.path)
	f := facts.SnapshotFolder{Path: c.path, Found: c.found, File: o.Path, Remote: c.remote, Here: c.here}
	entries, err := r.tree.ReadDir(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Err = reason(err)
		r.unreadable(c.path, err)
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || c.copies != nil && !c.copies.MatchString(e.Name()) {
			continue
		}
		name := path.Join(c.path, e.Name())
		file := r.tree.Stat(name)
		if !file.Mode.IsRegular() {
			continue
		}
		if f.Copies++; f.Newest == "" || file.ModTime.After(f.Written) {
			f.Newest, f.Written = name, file.ModTime
		}
		if f.Copies <= mostCopies {
			r.keep(facts.SnapshotUse, name, hasAllData)
		}
	}
	if f.Copies > mostCopies {
		r.missing(c.path, fmt.Sprintf("the rights of its first %d snapshots were inspected, and of %d none", mostCopies, f.Copies-mostCopies), "")
	}
	if f.Copies == 0 && !c.asked {
		return
	}
	r.keep(facts.SnapshotUse, c.path, "")
	if o.Exists && f.Err == "" {
		r.read[c.path] = true
	}
	r.host.Snapshots = append(r.host.Snapshots, f)
}
