package timeline

import (
	"cmp"
	"slices"
)

const (
	// witnesses is how many others a point has to contradict before it is the one that is wrong.
	witnesses = 3
	// fewest is how many points have to agree for each one that is left out: where more are
	// wrong, it is a clock that is, and not single objects.
	fewest = 20
	// rounds bounds how often points are left out and the rest compared again.
	rounds = 16
)

// leaveOut removes single points that contradict most others: an object with a time that is not
// its own would else bound all that was written before it, or after it. Without a point bounds
// are wider, and as true. Where more than single ones contradict each other all stay, and
// disagreement says by how much.
func (c *clock) leaveOut() {
	lows, highs := perPosition(c.lows, later), perPosition(c.highs, earlier)
	all, left := len(lows)+len(highs), map[int64]bool{}
	for range rounds {
		below, above := contradicted(mirrored(highs), mirrored(lows), c.tolerance), contradicted(lows, highs, c.tolerance)
		slices.Reverse(below)
		most := 0
		for i := range lows {
			most = max(most, below[i])
		}
		for i := range highs {
			if highs[i].removable() {
				most = max(most, above[i])
			}
		}
		if most == 0 {
			if len(left) > 0 {
				c.lows, c.highs = lows, highs
				for position := range left {
					c.left[position] = true
				}
			}
			return
		}
		// One that is right is contradicted by those that are wrong alone, and these are few.
		least := most/2 + 1
		if most < witnesses {
			least = 1 // of two that contradict each other none is known to be right
		}
		lows, highs = without(lows, below, least, left), without(highs, above, least, left)
		if len(left)*fewest > all {
			return
		}
	}
}

// removable reports whether a point can be wrong alone. The time of a file bounds all that it
// holds, also without the clock.
func (p point) removable() bool { return p.source != FileTime && p.source != ReadingTime }

// perPosition leaves one point of each position, in their order: an object is met as often as it
// has versions and copies.
func perPosition(points []point, stronger func(a, b bound) bound) []point {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.position, b.position) })
	kept := points[:0]
	for _, p := range points {
		if n := len(kept); n > 0 && kept[n-1].position == p.position {
			kept[n-1].bound = stronger(kept[n-1].bound, p.bound)
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// without removes points with at least so many contradictions, and notes where they were.
func without(points []point, contradictions []int, least int, left map[int64]bool) (kept []point) {
	for i, p := range points {
		if contradictions[i] >= least && p.removable() {
			left[p.position] = true
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// mirrored turns the order and the times around, so that what is after and above is before and
// below.
func mirrored(points []point) []point {
	turned := make([]point, len(points))
	for i, p := range points {
		p.position, p.at = -p.position, -p.at
		turned[len(points)-1-i] = p
	}
	return turned
}

// contradicted counts for each high bound how many low bounds, at its position or before, are
// later than it by more than a tolerance. Both are in the order of their positions, and the counts
// in that of highs.
func contradicted(lows, highs []point, tolerance int64) []int {
	times := make([]int64, len(lows))
	for i, p := range lows {
		times[i] = p.at
	}
	slices.Sort(times)
	upTo := func(at int64) int { // how many times are not later
		n, _ := slices.BinarySearch(times, at+1)
		return n
	}
	// A binary indexed tree over the ranks of times: how many lows were met with each.
	tree := make([]int, len(times)+1)
	counts := make([]int, len(highs))
	next := 0
	for i, h := range highs {
		for ; next < len(lows) && lows[next].position <= h.position; next++ {
			for at := upTo(lows[next].at); at < len(tree); at += at & -at {
				tree[at]++
			}
		}
		counts[i] = next
		for at := upTo(h.at + tolerance); at > 0; at -= at & -at {
			counts[i] -= tree[at]
		}
	}
	return counts
}
