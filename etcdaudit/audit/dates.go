package audit

import (
	"strings"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/timeline"
)

// Reading the times of an object takes longer than counting it. So the first objects are read, and
// then one of several: the bounds become wider, and stay true.
const (
	allDated   = 4096
	oneOfDated = 64
)

// clockSkew is the allowance for clocks where no timelines ask for another one.
const clockSkew = 10 * time.Second

// dates sets a clock by the live values of one store, to say since when values are stored as
// they are. A nil one does nothing.
type dates struct {
	clock  *timeline.Clock
	prefix string
	seen   int
}

// datesOf is for a scope of live values that are compared with a configuration; nil for any other.
func datesOf(scope record.Scope, o Options, now time.Time) *dates {
	if scope.Layer != record.Live || o.Encryption == nil {
		return nil
	}
	skew := clockSkew
	if o.Timeline != nil {
		skew = o.Timeline.Skew
	}
	return &dates{clock: timeline.NewClock(now, skew), prefix: strings.TrimSuffix(scope.Prefix, "/")}
}

func (d *dates) add(rec record.Record) {
	if d == nil || rec.Origin.Layer != record.Live || storedvalue.PlaintextFormat(rec.Value) == storedvalue.Unrecognised {
		return
	}
	if d.seen++; d.seen <= allDated || d.seen%oneOfDated == 0 {
		d.clock.Add(d.prefix, rec)
	}
}
