package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/timeline"
	"github.com/sealproof/sealproof/internal/encryptionconfig"
)

// longestSkew bounds --clock-skew: beyond it, a timeline would say nothing.
const longestSkew = 7 * 24 * time.Hour

// memory is the size of --memory, in bytes.
func (f filesPart) memory() (int64, error) {
	for _, unit := range []struct {
		name string
		size int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		number, ok := strings.CutSuffix(f.Memory, unit.name)
		if n, err := strconv.ParseInt(number, 10, 64); ok && err == nil && n > 0 && n <= math.MaxInt64/unit.size {
			return n * unit.size, nil
		}
	}
	return 0, fmt.Errorf("memory: %q: want a whole number of KiB, MiB or GiB, such as 512MiB", f.Memory)
}

// indexes is what each of the indexes may take, in bytes: that of a timeline stands beside that
// of keys.
func (a *auditRun) indexes() int64 {
	memory, _ := a.Files.memory() // it was validated
	if a.Timeline.Timeline {
		memory /= 2
	}
	return memory
}

// timeline says how timelines are worked out, of Secrets and what else a configuration encrypts;
// nil where none is asked for.
func (a *auditRun) timeline(c *encryptionconfig.Config) *timeline.Options {
	if !a.Timeline.Timeline {
		return nil
	}
	o := &timeline.Options{Skew: a.Timeline.ClockSkew, Memory: a.indexes(), WorkDir: a.Files.WorkDir, Now: time.Now()}
	for _, r := range covered(c) {
		o.Paths = append(o.Paths, r.Path)
	}
	return o
}
