package process

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Rights decide what a process may do with files.
type Rights struct {
	UID int
	// GIDs are its group and its supplementary groups.
	GIDs []int
	// Unbound is whether it has CAP_DAC_OVERRIDE, so that the permissions of
	// files do not bind it.
	Unbound bool
}

// May reports whether a file's permissions grant what want asks for, a bit of the
// kind that "others" have (path_resolution(7)): those of the first class that the
// process belongs to decide, even where a later one has more.
func (r Rights) May(want, mode fs.FileMode, uid, gid int) bool {
	switch {
	case r.Unbound:
		return true
	case r.UID == uid:
		return mode&(want<<6) != 0
	case slices.Contains(r.GIDs, gid):
		return mode&(want<<3) != 0
	default:
		return mode&want != 0
	}
}

// ParseRights reads the text of /proc/PID/status (proc(5)).
func ParseRights(status string) (r Rights) {
	const overrides = 1 << unix.CAP_DAC_OVERRIDE
	for line := range strings.Lines(status) {
		key, rest, _ := strings.Cut(line, ":")
		values := strings.Fields(rest)
		switch {
		case key == "Uid" && len(values) == 4: // real, effective, saved, file system's
			r.UID, _ = strconv.Atoi(values[3])
		case key == "Gid" && len(values) == 4:
			values = values[3:]
			fallthrough
		case key == "Groups":
			for _, v := range values {
				if gid, err := strconv.Atoi(v); err == nil {
					r.GIDs = append(r.GIDs, gid)
				}
			}
		case key == "CapEff" && len(values) == 1:
			capabilities, _ := strconv.ParseUint(values[0], 16, 64)
			r.Unbound = capabilities&overrides != 0
		}
	}
	return r
}

// OwnRights returns those of this process. It fails where user ids are not what
// they are elsewhere on this machine.
func OwnRights() (Rights, error) {
	if err := CheckUserIDs(); err != nil {
		return Rights{}, err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return Rights{}, fmt.Errorf("find out whose rights this process has: %w", err)
	}
	return ParseRights(string(status)), nil
}

// CheckUserIDs returns an error if this process runs in a user namespace: there
// the kernel translates the ids of other namespaces, all of those that it does not
// know to one and the same.
func CheckUserIDs() error {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return fmt.Errorf("find out what user ids mean here: %w", err)
	}
	if !identityMap(string(uidMap)) {
		return errors.New("this process runs in a user namespace (/proc/self/uid_map), where the user ids of others are not what they seem")
	}
	return nil
}

// identityMap reports whether the text of a uid_map (user_namespaces(7)) maps
// every user id to itself: a first id inside, the same outside, and how many.
func identityMap(text string) bool {
	fields := strings.Fields(text)
	return len(fields) == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == strconv.FormatUint(math.MaxUint32, 10)
}
