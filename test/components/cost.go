package components

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const mib = 1 << 20

// cost is what building one program took from nothing, on two cores at about
// 3 GHz: seconds with an empty build cache, and bytes of disk.
type cost struct {
	seconds    int
	binary     int64
	modules    int64 // sources that the go command downloads and unpacks
	buildCache int64
}

func (c cost) duration() time.Duration { return time.Duration(c.seconds) * time.Second }

// again is what building takes when Go's build cache knows nearly all of it.
func (c cost) again() cost { return cost{seconds: 5, binary: c.binary} }

// estimator corrects the known costs by what was measured so far: this
// machine's speed, and how much of it the build cache already held.
type estimator struct{ planned, spent time.Duration }

func (e *estimator) measured(planned, spent time.Duration) {
	e.planned += planned
	e.spent += spent
}

// scale returns how long something will take that is known to take d. The
// first short steps say little about the long ones (one may come out of the
// build cache and the next not), so the known costs start with a weight of a
// minute, and nothing is said to be more than twice as fast.
func (e *estimator) scale(d time.Duration) time.Duration {
	const weight = time.Minute
	return time.Duration(float64(d) * max(0.5, float64(e.spent+weight)/float64(e.planned+weight)))
}

// left returns the time left when a step known to take d has run for elapsed
// and steps known to take rest follow it. The longer a step takes beyond what was
// expected, the less is expected to be nearly done.
func (e *estimator) left(d, elapsed, rest time.Duration) time.Duration {
	return max(e.scale(d)-elapsed, elapsed/5) + e.scale(rest)
}

// place is a directory and how much will be written below it.
type place struct {
	dir   string
	bytes int64
}

// shortOfDisk returns an error if any file system has less room than the
// places on it need together. filesystem tells which file system a directory
// is on and how many bytes are free there.
func shortOfDisk(places []place, filesystem func(dir string) (id uint64, free int64, err error)) error {
	type total struct {
		dirs       []string
		need, free int64
	}
	totals := map[uint64]*total{}
	var order []uint64
	for _, p := range places {
		if p.bytes == 0 {
			continue
		}
		id, free, err := filesystem(p.dir)
		if err != nil {
			return fmt.Errorf("see how much room %s has: %w", p.dir, err)
		}
		t := totals[id]
		if t == nil {
			t = &total{free: free}
			totals[id] = t
			order = append(order, id)
		}
		t.need += p.bytes
		if !slices.Contains(t.dirs, p.dir) {
			t.dirs = append(t.dirs, p.dir)
		}
	}
	var short []error
	for _, id := range order {
		if t := totals[id]; t.free < t.need {
			short = append(short, fmt.Errorf("%s: %s needed, %s free", strings.Join(t.dirs, ", "), size(t.need), size(t.free)))
		}
	}
	if len(short) > 0 {
		return fmt.Errorf("not enough disk to build the components (free some, or move them with %s, GOMODCACHE and GOCACHE):\n%w",
			cacheVariable, errors.Join(short...))
	}
	return nil
}

// statFilesystem is the filesystem argument of shortOfDisk on a real machine.
// A directory that does not exist yet will be on its parent's file system.
func statFilesystem(dir string) (id uint64, free int64, err error) {
	for {
		var fs syscall.Statfs_t
		err := syscall.Statfs(dir, &fs)
		if err == nil {
			info, err := os.Stat(dir)
			if err != nil {
				return 0, 0, err
			}
			st, ok := info.Sys().(*syscall.Stat_t)
			if !ok {
				return 0, 0, errors.New("the device number is not known")
			}
			return st.Dev, int64(fs.Bavail) * fs.Bsize, nil //nolint:gosec // no disk has 2^63 blocks
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, syscall.ENOENT) || parent == dir {
			return 0, 0, err
		}
		dir = parent
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	if n >= 1024*mib {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1024*mib))
	}
	return fmt.Sprintf("%d MiB", (n+mib-1)/mib)
}

// short writes a duration for people: whole seconds, or tenths below ten.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	if d < time.Minute {
		return d.String()
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// roughly writes an estimate, without pretending to know the seconds.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "a few seconds"
	case d < 90*time.Second:
		return fmt.Sprintf("%ds", int(d.Round(10*time.Second).Seconds()))
	default:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute).Minutes()))
	}
}

func (c cost) plus(d cost) cost {
	return cost{
		seconds:    c.seconds + d.seconds,
		binary:     c.binary + d.binary,
		modules:    c.modules + d.modules,
		buildCache: c.buildCache + d.buildCache,
	}
}
