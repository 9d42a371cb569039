package timeline

import (
	"cmp"
	"math"
	"slices"
)

// maxPoints is how many points of a clock are kept for each direction. Where there are more,
// some are dropped: the bounds become wider, and stay true.
const maxPoints = 1 << 14

// No bounds, in seconds since 1970.
const (
	never  = math.MinInt64
	always = math.MaxInt64
)

// bound is a time in seconds since 1970, before the allowance for clocks.
type bound struct {
	at     int64
	source Source
}

func later(a, b bound) bound {
	if b.at > a.at {
		return b
	}
	return a
}

func earlier(a, b bound) bound {
	if b.at < a.at {
		return b
	}
	return a
}

type point struct {
	position int64 // a revision, or an index of raft's log
	bound
}

// clock bounds the times of positions in an order of writes. A bound from below holds for all
// that follows, one from above for all that is before.
type clock struct {
	lows, highs []point
}

// notBefore takes that the write at a position was made at a time or later.
func (c *clock) notBefore(position int64, b bound) {
	if c.lows = append(c.lows, point{position, b}); len(c.lows) >= 2*maxPoints {
		c.lows = thinned(settledLows(c.lows))
	}
}

// notAfter takes that the write at a position was made at a time or earlier.
func (c *clock) notAfter(position int64, b bound) {
	if c.highs = append(c.highs, point{position, b}); len(c.highs) >= 2*maxPoints {
		c.highs = thinned(settledHighs(c.highs))
	}
}

// settle makes the clock ready to be asked. Nothing is added after that.
func (c *clock) settle() { c.lows, c.highs = settledLows(c.lows), settledHighs(c.highs) }

// low is the latest time before which a position was not written.
func (c *clock) low(position int64, between Source) bound {
	n, found := slices.BinarySearchFunc(c.lows, position, func(p point, at int64) int { return cmp.Compare(p.position, at) })
	if found {
		return c.lows[n].bound
	}
	if n == 0 {
		return bound{at: never}
	}
	return c.lows[n-1].elsewhere(between)
}

// high is the earliest time after which a position was not written.
func (c *clock) high(position int64, between Source) bound {
	n, found := slices.BinarySearchFunc(c.highs, position, func(p point, at int64) int { return cmp.Compare(p.position, at) })
	if found {
		return c.highs[n].bound
	}
	if n == len(c.highs) {
		return bound{at: always}
	}
	return c.highs[n].elsewhere(between)
}

// elsewhere is the point as a bound of another position.
func (p point) elsewhere(between Source) bound {
	if p.source == FileTime || p.source == ReadingTime {
		return p.bound // it is of all that the file holds
	}
	return bound{p.at, between}
}

// disagreement is by how many seconds a write was made later than one that followed it, as the
// clocks have it. Below zero there is none.
func (c *clock) disagreement() int64 {
	most := int64(never)
	for _, p := range c.lows {
		if high := c.high(p.position, ""); high.at != always {
			most = max(most, p.at-high.at)
		}
	}
	return most
}

// settledLows leaves of the points those that say more than all before them.
func settledLows(points []point) []point {
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(b.at, a.at))
	})
	kept := points[:0]
	for _, p := range points {
		if len(kept) == 0 || p.at > kept[len(kept)-1].at {
			kept = append(kept, p)
		}
	}
	return kept
}

// settledHighs leaves of the points those that say more than all behind them.
func settledHighs(points []point) []point {
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(b.position, a.position), cmp.Compare(a.at, b.at))
	})
	kept := points[:0]
	for _, p := range points {
		if len(kept) == 0 || p.at < kept[len(kept)-1].at {
			kept = append(kept, p)
		}
	}
	slices.Reverse(kept)
	return kept
}

// thinned leaves every second point, and the outermost two, where there are too many.
func thinned(points []point) []point {
	for len(points) > maxPoints {
		kept := points[:0]
		for i, p := range points {
			if i%2 == 0 || i == len(points)-1 {
				kept = append(kept, p)
			}
		}
		points = kept
	}
	return points
}
