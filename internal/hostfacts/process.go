package hostfacts

import (
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Proc is where Linux lists its processes (proc(5)).
const Proc = "/proc"

// Process is one process in /proc.
type Process struct {
	PID int
	Rights
	// CoreLimit is the limit on the size of its core files, in bytes; math.MaxUint64 for
	// none.
	CoreLimit uint64
	// LockedKB is how much memory it has locked against swapping, in KiB.
	LockedKB int
	// Root is the path of its root directory, as seen from this process.
	Root string
}

// CoreFiles returns the limit on core files in words: "0" or "unlimited".
func (p Process) CoreFiles() string {
	if p.CoreLimit == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(p.CoreLimit, 10)
}

// ReadProcess reads a process under proc. It fails if the process has ended, or if this
// user may not inspect it.
func ReadProcess(proc string, pid int) (Process, error) {
	mounted, err := procfs.NewFS(proc)
	if err != nil {
		return Process{}, err
	}
	p, err := mounted.Proc(pid)
	if err != nil {
		return Process{}, err
	}
	limits, err := p.Limits()
	if err != nil {
		return Process{}, err
	}
	found, _, err := status(proc, p)
	found.CoreLimit = limits.CoreFileSize
	return found, err
}

// ProcessesNamed returns the processes of a name (comm, at most 15 characters) under
// proc, without their limits. It skips a process that ends while it is read, or that this
// user may not inspect.
func ProcessesNamed(proc, name string) ([]Process, error) {
	mounted, err := procfs.NewFS(proc)
	if err != nil {
		return nil, err
	}
	all, err := mounted.AllProcs()
	if err != nil {
		return nil, err
	}
	sort.Sort(all) // by PID
	var found []Process
	for _, p := range all {
		if one, named, err := status(proc, p); err == nil && named == name {
			found = append(found, one)
		}
	}
	return found, nil
}

func status(proc string, p procfs.Proc) (found Process, name string, err error) {
	s, err := p.NewStatus()
	if err != nil {
		return Process{}, "", err
	}
	dir := filepath.Join(proc, strconv.Itoa(p.PID))
	groups, err := supplementaryGroups(dir)
	if err != nil {
		return Process{}, "", err
	}
	const fileSystem = 3 // after the real, the effective and the saved id
	return Process{
		PID: p.PID,
		Rights: Rights{
			UID:     int(s.UIDs[fileSystem]),                           //nolint:gosec // 32 bits
			GIDs:    append([]int{int(s.GIDs[fileSystem])}, groups...), //nolint:gosec // 32 bits
			Unbound: s.CapEff&(1<<unix.CAP_DAC_OVERRIDE) != 0,
		},
		LockedKB: int(s.VmLck / 1024), //nolint:gosec // memory in KiB
		Root:     filepath.Join(dir, "root"),
	}, s.Name, nil
}

// supplementaryGroups reads them from a process's status: procfs does not return them.
func supplementaryGroups(dir string) (gids []int, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "status")) //nolint:gosec // in /proc, another directory in tests
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Groups:"); ok {
			for _, field := range strings.Fields(rest) {
				if gid, err := strconv.Atoi(field); err == nil {
					gids = append(gids, gid)
				}
			}
		}
	}
	return gids, nil
}

// Swaps names the active swap devices. It fails if proc does not show them.
func Swaps(proc string) (devices []string, err error) {
	mounted, err := procfs.NewFS(proc)
	if err != nil {
		return nil, err
	}
	swaps, err := mounted.Swaps()
	for _, s := range swaps {
		devices = append(devices, s.Filename)
	}
	return devices, err
}
