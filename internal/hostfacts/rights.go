package hostfacts

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Rights are what decides whether a process may access files.
type Rights struct {
	UID int
	// GIDs are its group and its supplementary groups.
	GIDs []int
	// Unbound is whether it has CAP_DAC_OVERRIDE, which overrides file permissions.
	Unbound bool
}

// The permissions for May, as the permission bits of others.
const (
	MayRead    fs.FileMode = 0o4
	MayConnect fs.FileMode = 0o2 // unix(7): to connect to a socket takes write permission
	MaySearch  fs.FileMode = 0o1 // to reach what is in a directory
)

// May reports whether the permissions of p grant want (path_resolution(7)). The first
// class that the process belongs to decides, even if a later class has more.
func (r Rights) May(want fs.FileMode, p Path) bool {
	switch mode := p.Mode.Perm(); {
	case r.Unbound:
		return true
	case r.UID == p.UID:
		return mode&(want<<6) != 0
	case slices.Contains(r.GIDs, p.GID):
		return mode&(want<<3) != 0
	default:
		return mode&want != 0
	}
}

// OwnRights returns the rights of this process. It fails in a user namespace.
func OwnRights() (Rights, error) {
	if err := CheckUserIDs(); err != nil {
		return Rights{}, err
	}
	// Not by its number: /proc may be that of another PID namespace.
	self, err := procfs.Self()
	if err == nil {
		var p Process
		if p, _, err = status(Proc, self); err == nil {
			return p.Rights, nil
		}
	}
	return Rights{}, fmt.Errorf("read the rights of this process: %w", err)
}

// CheckUserIDs returns an error if this process runs in a user namespace. There the
// kernel translates the ids of other namespaces, and all unknown ids to the same one.
func CheckUserIDs() error {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return fmt.Errorf("read the user id mapping of this process: %w", err)
	}
	if !identityMap(string(uidMap)) {
		return errors.New("this process runs in a user namespace (/proc/self/uid_map), where the kernel translates the user ids of other processes")
	}
	return nil
}

// identityMap reports whether the text of a uid_map (user_namespaces(7)) maps
// every user id to itself: a first id inside, the same outside, and how many.
func identityMap(text string) bool {
	fields := strings.Fields(text)
	return len(fields) == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == strconv.FormatUint(math.MaxUint32, 10)
}
