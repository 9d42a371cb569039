package hostconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/hostfacts"
	"github.com/sealproof/sealproof/test/testkit"
)

// devices makes a /sys as Linux shows it: directories below /sys/devices, and links to them.
// A name with a slash is a partition of a disk.
type devices struct {
	t    *testing.T
	root string
}

func (d devices) add(name, number string, attributes map[string]string, below ...string) {
	d.t.Helper()
	at := "sys/devices/virtual/block/" + name
	for file, text := range attributes {
		d.write(at+"/"+file, text)
	}
	d.write(at+"/dev", number)
	base := filepath.Base(name)
	d.link("../../devices/virtual/block/"+name, "sys/dev/block/"+number)
	d.link("../../devices/virtual/block/"+name, "sys/class/block/"+base)
	for _, lower := range below {
		d.link("/sys/devices/virtual/block/"+lower, at+"/slaves/"+filepath.Base(lower))
	}
}

func (d devices) write(name, text string) {
	file := filepath.Join(d.root, name)
	testkit.Check(d.t, os.MkdirAll(filepath.Dir(file), 0o700))
	testkit.Check(d.t, os.WriteFile(file, []byte(text+"\n"), 0o600))
}

func (d devices) link(target, name string) {
	file := filepath.Join(d.root, name)
	testkit.Check(d.t, os.MkdirAll(filepath.Dir(file), 0o700))
	testkit.Check(d.t, os.Symlink(target, file))
}

func TestWhatLiesUnderTheDataIsFollowedToTheDisks(t *testing.T) {
	const mount = "30 1 %s / /d rw - %s %s rw\n"
	luks := map[string]string{"dm/uuid": "CRYPT-LUKS2-0123-root"}
	lvm := map[string]string{"dm/uuid": "LVM-abc"}
	md := map[string]string{"md/level": "raid1"}
	part := map[string]string{"partition": "2"}
	for name, tt := range map[string]struct {
		number, kind, source string
		make                 func(devices)
		encrypted            bool
		unknown, layers      string
	}{
		"LUKS on a partition": {"253:0", "ext4", "/dev/mapper/root", func(d devices) {
			d.add("dm-0", "253:0", luks, "sda/sda2")
			d.add("sda/sda2", "8:2", part)
			d.add("sda", "8:0", nil)
		}, true, "", "dm-0 LUKS2, sda2 partition, sda disk"},
		"LVM on LUKS": {"253:1", "xfs", "/dev/mapper/vg-root", func(d devices) {
			d.add("dm-1", "253:1", lvm, "dm-0")
			d.add("dm-0", "253:0", luks, "sda")
			d.add("sda", "8:0", nil)
		}, true, "", "dm-1 LVM, dm-0 LUKS2, sda disk"},
		"LVM on a disk with LUKS and one without": {"253:1", "xfs", "/dev/mapper/vg-root", func(d devices) {
			d.add("dm-1", "253:1", lvm, "dm-0", "sdb")
			d.add("dm-0", "253:0", luks, "sda")
			d.add("sda", "8:0", nil)
			d.add("sdb", "8:16", nil)
		}, false, "", "dm-1 LVM, dm-0 LUKS2, sda disk, sdb disk"},
		"a thin volume, whose data and metadata are on one LUKS": {"253:4", "ext4", "/dev/mapper/vg-etcd", func(d devices) {
			d.add("dm-4", "253:4", lvm, "dm-3")
			d.add("dm-3", "253:3", lvm, "dm-1", "dm-2")
			d.add("dm-2", "253:2", lvm, "dm-0")
			d.add("dm-1", "253:1", lvm, "dm-0")
			d.add("dm-0", "253:0", luks, "sda")
			d.add("sda", "8:0", nil)
		}, true, "", "dm-4 LVM, dm-3 LVM, dm-1 LVM, dm-0 LUKS2, sda disk, dm-2 LVM"},
		"a thin volume, whose data and metadata are on one disk": {"253:4", "ext4", "/dev/mapper/vg-etcd", func(d devices) {
			d.add("dm-4", "253:4", lvm, "dm-1", "dm-2")
			d.add("dm-2", "253:2", lvm, "sda")
			d.add("dm-1", "253:1", lvm, "sda")
			d.add("sda", "8:0", nil)
		}, false, "", "dm-4 LVM, dm-1 LVM, sda disk, dm-2 LVM"},
		"LUKS on RAID": {"253:0", "ext4", "/dev/mapper/root", func(d devices) {
			d.add("dm-0", "253:0", luks, "md0")
			d.add("md0", "9:0", md, "sda", "sdb")
			d.add("sda", "8:0", nil)
			d.add("sdb", "8:16", nil)
		}, true, "", "dm-0 LUKS2, md0 RAID, sda disk, sdb disk"},
		"RAID on a virtual disk with LUKS and a virtual one without": {"9:0", "ext4", "/dev/md0", func(d devices) {
			d.add("md0", "9:0", md, "dm-0", "vdb")
			d.add("dm-0", "253:0", luks, "vda")
			d.add("vda", "254:0", nil)
			d.add("vdb", "254:16", nil)
		}, false, "a virtual disk (vdb)", "md0 RAID, dm-0 LUKS2, vda disk, vdb disk"},
		// Integrity and verity have a CRYPT uuid as well, and encrypt nothing.
		"integrity alone": {"253:0", "ext4", "/dev/mapper/i", func(d devices) {
			d.add("dm-0", "253:0", map[string]string{"dm/uuid": "CRYPT-INTEGRITY-0-i"}, "sda")
			d.add("sda", "8:0", nil)
		}, false, "", "dm-0 device mapper, sda disk"},
		"a partition without encryption": {"8:2", "ext4", "/dev/sda2", func(d devices) {
			d.add("sda/sda2", "8:2", part)
			d.add("sda", "8:0", map[string]string{"device/model": "SAMSUNG MZ7LH960"})
		}, false, "", "sda2 partition, sda disk"},
		"a disk of EBS": {"259:1", "ext4", "/dev/nvme0n1p1", func(d devices) {
			d.add("nvme0n1/nvme0n1p1", "259:1", part)
			d.add("nvme0n1", "259:0", map[string]string{"device/model": "Amazon Elastic Block Store"})
		}, false, "Amazon Elastic Block Store", "nvme0n1p1 partition, nvme0n1 disk"},
		"a disk of virtio": {"254:1", "ext4", "/dev/vda1", func(d devices) {
			d.add("vda/vda1", "254:1", part)
			d.add("vda", "254:0", nil)
		}, false, "a virtual disk (vda)", "vda1 partition, vda disk"},
		"a disk of a virtual machine": {"8:0", "ext4", "/dev/sda", func(d devices) {
			d.add("sda", "8:0", nil)
			d.write("sys/class/dmi/id/sys_vendor", "VMware, Inc.")
		}, false, "VMware", "sda disk"},
		"a processor under a hypervisor": {"8:0", "ext4", "/dev/sda", func(d devices) {
			d.add("sda", "8:0", nil)
			d.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor lahf_lm")
		}, false, "its processor says so", "sda disk"},
		"LUKS of a virtual machine": {"253:0", "ext4", "/dev/mapper/root", func(d devices) {
			d.add("dm-0", "253:0", luks, "vda")
			d.add("vda", "254:0", nil)
		}, true, "", "dm-0 LUKS2, vda disk"},
		"btrfs on LUKS": {"0:40", "btrfs", "/dev/mapper/data", func(d devices) {
			d.add("dm-0", "253:0", luks, "sda")
			d.add("sda", "8:0", nil)
			d.link("../dm-0", "dev/mapper/data")
			d.write("dev/dm-0", "")
		}, true, "", "dm-0 LUKS2, sda disk"},
		"btrfs on a disk": {"0:40", "btrfs", "/dev/sda", func(d devices) {
			d.add("sda", "8:0", nil)
			d.write("dev/sda", "")
		}, false, "btrfs may lie on more disks", "sda disk"},
		"ZFS":           {"0:41", "zfs", "tank/etcd", func(devices) {}, false, "ZFS encrypts by itself", ""},
		"in memory":     {"0:42", "tmpfs", "tmpfs", func(devices) {}, false, "it is in memory", ""},
		"over NFS":      {"0:43", "nfs4", "server:/etcd", func(devices) {}, false, "another machine's", ""},
		"no such thing": {"8:0", "ext4", "/dev/sda", func(devices) {}, false, "could not be read", ""},
		"a ring of devices": {"253:0", "ext4", "/dev/mapper/root", func(d devices) {
			d.add("dm-0", "253:0", lvm, "dm-1")
			d.add("dm-1", "253:1", lvm, "dm-0")
		}, false, "", "dm-0 LVM, dm-1 LVM"},
	} {
		t.Run(name, func(t *testing.T) {
			root := node(t, map[string]string{
				"etc/systemd/system/etcd.service": "[Service]\nExecStart=/usr/bin/etcd --data-dir=/d/etcd\n", "d/etcd/member/wal/x": "x",
				"proc/1/mountinfo": "20 1 7:7 / / rw - ext4 /dev/other rw\n" + fmt.Sprintf(mount, tt.number, tt.kind, tt.source) + "31 1 7:8 / /d/etc rw - ext4 /dev/x rw\n",
			})
			tt.make(devices{t, root})
			h := read(t, root)
			if len(h.Disks) != 2 || h.Disks[1].Path != "/d/etcd/member/wal" || h.Disks[0].Mount != "/d" {
				t.Fatalf("%+v", h.Disks)
			}
			d := h.Disks[0]
			var layers []string
			for _, l := range d.Layers {
				layers = append(layers, l.Name+" "+l.Kind)
			}
			if d.Encrypted != tt.encrypted || !strings.Contains(d.Unknown, tt.unknown) || (d.Unknown == "") != (tt.unknown == "") || (d.Ask == "") != (d.Unknown == "") || strings.Join(layers, ", ") != tt.layers {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestTheMountsOfThisHostAreRead(t *testing.T) {
	r := reader{procs: hostfacts.Processes{Dir: hostfacts.Proc}, host: &facts.Host{Live: true}}
	mounts := testkit.Must(r.mounts())(t)
	if on := mountOf(mounts, "/etc/hostname"); on == nil {
		t.Errorf("no mount among %d", len(mounts))
	}
}
