package hostfacts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Running is a process and how it was started.
type Running struct {
	PID int
	// Args are all words of its command line, Environment its variables ("NAME=value").
	Args, Environment []string
	// Executable is its program's path in its own root; "" if that could not be read.
	Executable string
	// Dir is its working directory in its own root; "" if that could not be read.
	Dir string
	// Units are the last parts of its control groups, such as "etcd.service".
	Units []string
	// Started is when it was started; zero if that could not be read.
	Started  time.Time
	UID, GID int
	// Groups are its supplementary groups.
	Groups []int
	// SameRoot is whether it has the root and the mounts of this process.
	SameRoot bool
	// Denied are what could not be read for lack of a right.
	Denied []string
}

// Processes is a /proc, or a recorded one.
type Processes struct {
	// Dir is "/proc" or the folder.
	Dir string
	// Recorded is set for a folder, of which nothing is read but regular files and links.
	Recorded bool
}

// longestProc bounds one file of a process, in bytes.
const longestProc = 4 << 20

// Find returns the processes whose command line or name interests the caller. It skips
// those that end meanwhile.
func (p Processes) Find(interests func(name string, args []string) bool) ([]Running, error) {
	mounted, err := procfs.NewFS(p.Dir)
	if err != nil {
		return nil, err
	}
	all, err := mounted.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list the processes of %s: %w", p.Dir, err)
	}
	sort.Sort(all) // by PID
	var found []Running
	for _, proc := range all {
		args, err := p.args(proc.PID)
		if err != nil || len(args) == 0 {
			continue // ended, or a kernel thread
		}
		name, _ := p.read(proc.PID, "comm")
		if !interests(strings.TrimSpace(string(name)), args) {
			continue
		}
		if one, ok := p.one(proc, args); ok {
			found = append(found, one)
		}
	}
	return found, nil
}

// startedAt is when a process was started that has been so many ticks after boot (proc(5)).
// /proc/stat has the boot in whole seconds only, so that a file written just before a start
// would look newer than the process.
func startedAt(ticks uint64) time.Time {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go has
	var boot time.Time
	// This process may be held up between its looks at the two clocks: it looks again then.
	for apart := tick; apart >= tick; {
		before := time.Now()
		var sinceBoot unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot); err != nil {
			return time.Time{}
		}
		boot, apart = before.Add(-time.Duration(sinceBoot.Nano())), time.Since(before)
	}
	return boot.Add(time.Duration(ticks) * tick) //nolint:gosec // centuries
}

func (p Processes) read(pid int, name string) ([]byte, error) {
	data, _, err := p.tree().ReadFile(within(pid, name), longestProc)
	return data, err
}

// tree is where links of a recorded process lead: never out of it.
func (p Processes) tree() Tree { return Tree{p.Dir} }

// within is the path of a process's file in the tree, of a file beside processes for 0.
func within(pid int, name string) string {
	if pid == 0 {
		return path.Join("/", name)
	}
	return path.Join("/", strconv.Itoa(pid), name)
}

func (p Processes) args(pid int) ([]string, error) {
	line, err := p.read(pid, "cmdline")
	return split(line), err
}

// split takes apart what the kernel shows with a NUL after each part. Parts may be empty.
func split(text []byte) []string {
	text = bytes.TrimSuffix(text, []byte{0})
	if len(text) == 0 {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

func (p Processes) one(proc procfs.Proc, args []string) (r Running, ok bool) {
	r = Running{PID: proc.PID, Args: args, UID: -1, GID: -1}
	denied := func(what string, err error) {
		if errors.Is(err, fs.ErrPermission) {
			r.Denied = append(r.Denied, what)
		}
	}
	environment, err := p.read(r.PID, "environ")
	denied("environ", err)
	r.Environment = split(environment)
	r.Executable, err = p.link(r.PID, "exe")
	denied("exe", err)
	r.Dir, _ = p.link(r.PID, "cwd")
	if groups, err := p.read(r.PID, "cgroup"); err == nil {
		for line := range strings.Lines(string(groups)) {
			r.Units = append(r.Units, path.Base(strings.TrimSpace(line)))
		}
	}
	if p.regular(r.PID, "status") {
		if s, err := proc.NewStatus(); err == nil {
			r.UID, r.GID = int(s.UIDs[1]), int(s.GIDs[1]) //nolint:gosec // 32 bits; 1 is the effective one
			r.Groups, _ = supplementaryGroups(p.path(r.PID, "."))
		}
	}
	if p.regular(r.PID, "stat") && p.regular(0, "stat") {
		if s, err := proc.Stat(); err == nil {
			if at, err := s.StartTime(); err == nil {
				r.Started = time.UnixMilli(int64(at * 1000))
			}
			if !p.Recorded {
				r.Started = startedAt(s.Starttime)
			}
		}
	}
	r.SameRoot = p.Recorded || p.sameRoot(r.PID)
	// It has not ended meanwhile, or nothing of the above can be relied on.
	again, err := p.args(r.PID)
	return r, err == nil && len(again) > 0
}

// link reads a link of a process. A recorded one may be a file with the path in it.
func (p Processes) link(pid int, name string) (string, error) {
	target, err := p.tree().readlink(within(pid, name))
	if err != nil && p.Recorded {
		var text []byte
		text, err = p.read(pid, name)
		target = strings.TrimSpace(string(text))
	}
	return target, err
}

func (p Processes) sameRoot(pid int) bool {
	root, err := os.Readlink(p.path(pid, "root"))
	theirs, errTheirs := os.Readlink(p.path(pid, "ns/mnt"))
	ours, errOurs := os.Readlink(filepath.Join(p.Dir, "self", "ns/mnt"))
	return err == nil && errTheirs == nil && errOurs == nil && root == "/" && theirs == ours
}

// RootOf is the file system that a process sees.
func (p Processes) RootOf(pid int) Tree { return Tree{p.path(pid, "root")} }

// ExecutableOf is a path at which the program of a process can be read, also if it was
// replaced or removed since.
func (p Processes) ExecutableOf(pid int) string { return p.path(pid, "exe") }

func (p Processes) path(pid int, name string) string {
	return filepath.Join(p.Dir, within(pid, name))
}

// regular reports whether a file of a recorded process can be read by its path: it is one of
// a usual size, and no part of the path is a link, which would lead out of the tree there.
func (p Processes) regular(pid int, name string) bool {
	if !p.Recorded {
		return true
	}
	found, err := p.tree().Resolve(within(pid, name))
	if err != nil || found != within(pid, name) {
		return false
	}
	_, err = p.read(pid, name)
	return err == nil
}
