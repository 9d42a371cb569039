package hostconfig

import (
	"cmp"
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

// kubeadmCopy is where the database lies in a copy that kubeadm makes.
const kubeadmCopy = "/etcd/member/snap"

// mostSubfolders bounds how many folders in one are looked into.
const mostSubfolders = 200

// candidate is a folder that may have copies of etcd's data.
type candidate struct {
	path, found  string
	copies       *regexp.Regexp // of names; nil for every file
	asked        bool           // it is reported even if it is empty or not there
	nested       bool           // copies may be in folders in it, such as one for each day
	remote, here string
}

// noCopy matches the names of what lies beside copies: one that is being written or was not
// finished (etcdctl writes NAME.part), sums, and the files of the job that makes them.
func noCopy(name string) bool {
	return regexp.MustCompile(`(?i)\.(part|partial|tmp|sh|py|log|txt|md|json|ya?ml|conf|env|service|timer|md5|sha(1|256|512)(sums?)?|sum|sig|lock)$`).MatchString(name)
}

// snapshots finds the copies of etcd's data on this host, which have everything in them that
// its data directory had.
func (r *reader) snapshots() {
	byName := regexp.MustCompile(`(?i)snap|backup|\.db(\.|$)`)
	var all []candidate
	for _, dir := range r.opts.SnapshotDirs {
		all = append(all, candidate{path: path.Clean("/" + dir), found: "--snapshot-dir", asked: true, nested: true})
	}
	all = append(all, r.rancherSnapshots()...)
	for _, dir := range []string{"/var/lib/etcd-backup", "/var/lib/etcd-backups", "/var/lib/etcd-snapshots", "/var/backups/etcd", "/backup/etcd", "/opt/etcd-backup", "/home/core/assets/backup"} {
		all = append(all, candidate{path: dir, found: "a usual place", copies: byName, nested: true})
	}
	for _, dir := range r.under("/var/backups", "etcd-") { // kubespray's
		all = append(all, candidate{path: dir, found: "a usual place", copies: byName})
	}
	for _, dir := range r.under("/etc/kubernetes/tmp", "kubeadm-backup-etcd-") {
		all = append(all, candidate{path: dir + kubeadmCopy, found: "a copy that kubeadm makes at each upgrade", copies: regexp.MustCompile(`^db$`)})
	}
	for _, e := range r.host.Etcds {
		if f := e.Files[e.Config.DataDir]; f.Exists && !strings.HasPrefix(f.At, "/proc/") {
			all = append(all, candidate{path: f.At, found: "the data directory of " + e.Name, copies: regexp.MustCompile(`\.db(\.|$)`)})
		}
	}
	for _, c := range r.merged(all) {
		r.snapshotFolder(c)
	}
}

// merged returns candidates without those that are one folder by links or by two names. What is
// known of copies elsewhere is kept.
func (r *reader) merged(all []candidate) (folders []candidate) {
	at := map[string]int{}
	for _, c := range all {
		where, err := r.tree.Resolve(c.path)
		if err != nil {
			where = c.path
		}
		i, known := at[where]
		if !known {
			at[where] = len(folders)
			folders = append(folders, c)
			continue
		}
		first := &folders[i]
		first.asked = first.asked || c.asked
		first.remote, first.here = cmp.Or(first.remote, c.remote), cmp.Or(first.here, c.here)
	}
	return folders
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
	for _, one := range r.rancher {
		db := path.Join(one.dir, "server/db")
		if !r.tree.Stat(path.Join(db, "etcd")).Exists {
			continue // no etcd of its own
		}
		set := func(name string) bool { return one.settings.last(name, "") == "true" }
		c := candidate{path: one.settings.last("etcd-snapshot-dir", path.Join(db, "snapshots")), found: one.name, asked: !set("etcd-disable-snapshots") && one.unknown == ""}
		switch {
		case set("etcd-s3"):
			c.remote = "S3, by " + one.source
		case one.unknown == "":
			c.here = "etcd-s3 is not set in " + one.source
		}
		all = append(all, c)
	}
	return all
}

func (r *reader) snapshotFolder(c candidate) {
	o := r.tree.Stat(c.path)
	f := facts.SnapshotFolder{Path: c.path, Found: c.found, File: o.Path, Remote: c.remote, Here: c.here}
	f.Err = r.copiesIn(c, c.path, &f, c.nested)
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

// copiesIn adds the copies in one directory, and in those in it if nested is set: of many the
// last ones, which by their usual names are the newest. It returns why the directory could not
// be read.
func (r *reader) copiesIn(c candidate, dir string, f *facts.SnapshotFolder, nested bool) (why string) {
	entries, err := r.tree.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		why = reason(err)
		r.unreadable(dir, err)
	}
	var folders []string
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			folders = append(folders, name)
		case !noCopy(e.Name()) && (c.copies == nil || c.copies.MatchString(e.Name())):
			r.addCopy(name, f)
		}
	}
	if !nested {
		return why
	}
	if skipped := len(folders) - mostSubfolders; skipped > 0 {
		r.missing(dir, fmt.Sprintf("snapshots were looked for in the last %d folders in it, and not in %d before them", mostSubfolders, skipped), "")
		folders = folders[skipped:]
	}
	for _, folder := range folders {
		if unread := r.copiesIn(c, folder, f, false); why == "" {
			why = unread
		}
	}
	return why
}

// addCopy counts a file as a copy if it has anything in it.
func (r *reader) addCopy(name string, f *facts.SnapshotFolder) {
	file := r.tree.Stat(name)
	if !file.Mode.IsRegular() || file.Size == 0 {
		return
	}
	if f.Copies++; f.Newest == "" || file.ModTime.After(f.Written) {
		f.Newest, f.Written = name, file.ModTime
	}
	if f.Copies <= mostCopies {
		r.keep(facts.SnapshotUse, name, hasAllData)
	}
}
