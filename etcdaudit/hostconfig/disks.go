package hostconfig

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
)

// disks says what lies under etcd's data, its write-ahead log and its snapshots.
func (r *reader) disks() {
	mounts, err := r.mounts()
	if err != nil {
		r.missing("the mounts of this host", reason(err), doFor(err))
		return
	}
	add := func(dir, use string) {
		where, err := r.tree.Resolve(dir)
		if err != nil || slices.ContainsFunc(r.host.Disks, func(d facts.Disk) bool { return d.Path == where }) {
			return
		}
		d := facts.Disk{Path: where, Use: use}
		if m := mountOf(mounts, where); m != nil {
			r.disk(m, &d)
		} else {
			d.Unknown, d.Ask = "no mount was found for it", "run etcdaudit host on the running node"
		}
		r.host.Disks = append(r.host.Disks, d)
	}
	for _, e := range r.host.Etcds {
		data := e.Files[e.Config.DataDir]
		if !data.Exists {
			continue
		}
		if strings.HasPrefix(data.At, "/proc/") {
			r.host.Disks = append(r.host.Disks, facts.Disk{Path: data.At, Use: "data", Unknown: "the directory is in a container's own file system", Ask: "find out on which disk the container runtime keeps it"})
			continue
		}
		add(data.At, "data")
		wal := path.Join(data.At, "member/wal")
		if e.Config.WALDir != "" {
			wal = e.Files[e.Config.WALDir].At
		}
		add(wal, "write-ahead log")
	}
	for _, s := range r.host.Snapshots {
		add(s.Path, "snapshots")
	}
}

// mounts are those that this process sees; of a recorded tree those that its first process saw.
func (r *reader) mounts() ([]*mountinfo.Info, error) {
	who := "1"
	if r.host.Live {
		who = "self"
	}
	text, _, err := hostfacts.Tree{Root: r.procs.Dir}.ReadFile(who+"/mountinfo", longestText)
	if err != nil && !r.host.Live {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return mountinfo.GetMountsFromReader(bytes.NewReader(text), nil)
}

// mountOf returns the mount that a path lies on: of those of the longest path the last one,
// which hides the others. It is nil if there is none.
func mountOf(mounts []*mountinfo.Info, name string) (on *mountinfo.Info) {
	for _, m := range mounts {
		within := m.Mountpoint == "/" || m.Mountpoint == name || strings.HasPrefix(name, m.Mountpoint+"/")
		if within && (on == nil || len(m.Mountpoint) >= len(on.Mountpoint)) {
			on = m
		}
	}
	return on
}

// disk says what is under a mount. What the provider of a machine or of a disk encrypts
// cannot be seen from inside.
func (r *reader) disk(m *mountinfo.Info, d *facts.Disk) {
	d.Mount, d.FileSystem, d.Source = m.Mountpoint, m.FSType, m.Source
	switch {
	case m.FSType == "tmpfs" || m.FSType == "ramfs":
		d.Unknown, d.Ask = "it is in memory, and in swap if there is any", "find out whether swap is encrypted"
	case m.FSType == "zfs":
		d.Unknown, d.Ask = "ZFS encrypts by itself, which is not looked at", "see zfs get encryption "+m.Source
	case m.FSType == "overlay":
		d.Unknown, d.Ask = "an overlay, whose upper directory is on another file system", "look at the disk of that directory"
	case strings.HasPrefix(m.FSType, "nfs") || slices.Contains([]string{"ceph", "cifs", "smb3", "9p", "virtiofs", "glusterfs", "fuse.glusterfs"}, m.FSType):
		d.Unknown, d.Ask = "its disk is another machine's ("+m.FSType+")", "ask who runs that whether it encrypts its disks"
	default:
		r.blockDevice(m, d)
	}
}

func (r *reader) blockDevice(m *mountinfo.Info, d *facts.Disk) {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", m.Major, m.Minor)
	if m.Major == 0 { // btrfs shows no device of its own
		source, err := r.tree.Resolve(m.Source)
		if err != nil || !strings.HasPrefix(source, "/dev/") {
			d.Unknown, d.Ask = "the block device of "+m.FSType+" could not be found", "run etcdaudit host on the running node"
			return
		}
		dir = "/sys/class/block/" + path.Base(source)
	}
	at, err := r.tree.Resolve(dir)
	if err != nil {
		d.Unknown, d.Ask = "the block device "+dir+" could not be read", "run etcdaudit host on the running node, as root"
		return
	}
	c := chain{reader: r, seen: map[string]bool{}}
	d.Encrypted = c.encrypted(at)
	d.Layers = c.layers
	if !d.Encrypted && c.outside != "" {
		d.Unknown, d.Ask = c.outside, "ask the provider whether it encrypts the disk, with whose key, and who can copy it"
		if c.ask != "" {
			d.Ask = c.ask
		}
	}
	if m.FSType == "btrfs" && !d.Encrypted && d.Unknown == "" {
		d.Unknown, d.Ask = "btrfs may lie on more disks than the one that its mount shows", "see btrfs filesystem show "+m.Mountpoint
	}
}
