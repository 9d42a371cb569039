package hostconfig

import (
	"path"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// chain follows block devices from a file system down to the disks, as /sys shows them
// (Documentation/ABI/stable/sysfs-block).
type chain struct {
	*reader
	layers []facts.Layer
	// seen has the answer for each device that was looked at, and false while it is looked at:
	// thin volumes reach one device on two ways, and a made-up tree may have rings.
	seen map[string]bool
	// outside is why a disk without encryption of its own may be encrypted all the same, and
	// ask whom to ask about it.
	outside, ask string
}

// mostLayers bounds what is followed: a made-up tree could have any number.
const mostLayers = 64

// encrypted reports whether everything that is written to a device is encrypted before it
// reaches a disk. at is its directory in /sys.
func (c *chain) encrypted(at string) bool {
	if known, ok := c.seen[at]; ok || len(c.layers) == mostLayers {
		return known
	}
	c.seen[at] = false
	c.seen[at] = c.follow(at)
	return c.seen[at]
}

// follow is encrypted for a device that is looked at for the first time.
func (c *chain) follow(at string) bool {
	kind, encrypts := c.kind(at)
	c.layers = append(c.layers, facts.Layer{Name: path.Base(at), Kind: kind})
	below, err := c.tree.ReadDir(path.Join(at, "slaves"))
	if err != nil || len(below) == 0 {
		if kind == "partition" {
			return c.encrypted(path.Dir(at))
		}
		if !encrypts {
			c.disk(at)
		}
		return encrypts
	}
	all := true
	for _, e := range below {
		next, err := c.tree.Resolve(path.Join(at, "slaves", e.Name()))
		// Each is looked at, so that the report shows all of them.
		lower := err == nil && c.encrypted(next)
		all = all && lower
	}
	return encrypts || all
}

// kind says what a device is, and whether it encrypts. The device mapper's crypt target tells
// its format in the device's UUID (cryptsetup, lib/utils_dm.h and libdevmapper.c). Integrity
// and verity targets have such a UUID too, and encrypt nothing.
func (c *chain) kind(at string) (kind string, encrypts bool) {
	uuid := c.attribute(at, "dm/uuid")
	for _, format := range []string{"LUKS1", "LUKS2", "PLAIN", "TCRYPT", "BITLK", "FVAULT2", "LOOPAES"} {
		if strings.HasPrefix(uuid, "CRYPT-"+format+"-") {
			return format, true
		}
	}
	exists := func(name string) bool { return c.tree.Stat(path.Join(at, name)).Exists }
	switch {
	case strings.HasPrefix(uuid, "LVM-"):
		return "LVM", false
	case strings.HasPrefix(uuid, "mpath-"):
		return "multipath", false
	case strings.HasPrefix(uuid, "part"):
		return "partition of a mapped device", false
	case exists("dm"):
		return "device mapper", false
	case exists("md"):
		return "RAID", false
	case exists("partition"):
		return "partition", false
	case exists("loop"):
		return "loop device", false
	}
	return "disk", false
}

// disk looks for signs that a disk is none that this machine sees as it is.
func (c *chain) disk(at string) {
	name := path.Base(at)
	model := strings.TrimSpace(c.attribute(at, "device/vendor") + " " + c.attribute(at, "device/model"))
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	switch {
	case has("vd", "xvd", "pmem"):
		c.outside = "a virtual disk (" + name + ")"
	case has("nbd", "rbd", "drbd"):
		c.outside, c.ask = "a disk over the network ("+name+")", "ask who runs that storage whether it encrypts"
	case has("loop", "zd"):
		c.outside, c.ask = "a file or volume as a disk ("+name+")", "look at the disk that it is on"
	case virtualModel(model):
		c.outside = "a virtual disk (" + name + ", " + model + ")"
	default:
		if machine := c.virtualMachine(); machine != "" {
			c.outside = "a disk of a virtual machine (" + name + ", " + machine + ")"
		}
	}
}

// virtualModel reports whether a disk calls itself one of a hypervisor or cloud.
func virtualModel(model string) bool {
	return slices.ContainsFunc([]string{
		"Amazon Elastic Block Store", "Amazon EC2", "Google", "PersistentDisk", "nvme_card", "MSFT", "Msft", "Virtual", "VMware", "QEMU", "VBOX", "Nutanix", "Parallels",
	}, func(sign string) bool { return strings.Contains(model, sign) })
}

// virtualMachine says how this machine shows that it is one; "" if it does not.
func (c *chain) virtualMachine() string {
	for _, name := range []string{"sys_vendor", "product_name"} {
		text := c.attribute("/sys/class/dmi/id", name)
		if slices.ContainsFunc([]string{"Amazon EC2", "Google", "QEMU", "KVM", "VMware", "Xen", "Virtual", "innotek", "OpenStack", "DigitalOcean", "Hetzner", "Alibaba", "Parallels"}, func(sign string) bool { return strings.Contains(text, sign) }) {
			return text
		}
	}
	for line := range strings.Lines(string(c.processors())) {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			if slices.Contains(strings.Fields(flags), "hypervisor") {
				return "its processor says so"
			}
			return ""
		}
	}
	return ""
}

// attribute reads a short file of /sys, "" if it is not there.
func (c *chain) attribute(at, name string) string {
	text, _, err := c.tree.ReadFile(path.Join(at, name), 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// processors is /proc/cpuinfo, which grows with their number.
func (c *chain) processors() []byte {
	text, _, err := c.tree.ReadFile("/proc/cpuinfo", 16<<20)
	if err != nil {
		return nil
	}
	return text
}
