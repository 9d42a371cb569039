package timeline

import (
	"cmp"
	"slices"

	"github.com/sealproof/sealproof/etcdaudit/record"
)

// decision is about one key.
type decision struct {
	c         *Collector
	allowance int64
}

// decide works out when a key was readable, from its sightings in the order of revisions.
//
// What has a revision is in order. A put of the log has its index alone: it has a place in the
// order where its neighbours in the log are versions with a revision, known by their values, and
// no version that is not in the log lies between them. Ciphertext without a revision proves
// nothing: the put may not have been carried out. Plaintext without a place is an interval of
// its own.
func (d *decision) decide(all []sighting) (s Secret) {
	places := map[uint16]bool{}
	n := unnumbered(all)
	for _, one := range all {
		if one.is(plain) {
			for _, place := range d.c.store.sets.sets[one.places] {
				places[place] = true
			}
		}
	}
	s.Values = values(all[:n], all[n:])
	logged, loose := d.match(all[:n], all[n:])
	chain, more := d.insert(d.versions(all[n:]), logged)
	loose = append(loose, more...)
	d.narrow(chain)
	s.Readable = d.intervals(chain)
	if len(loose) > 0 {
		s.Readable = append(s.Readable, d.loose(loose, chain))
	}
	last := map[bool]int{true: 1}
	slices.SortStableFunc(s.Readable, func(a, b Interval) int {
		return cmp.Or(last[a.Still]-last[b.Still], a.From.NotAfter.Time.Compare(b.From.NotAfter.Time))
	})
	for place := range places {
		s.Places = append(s.Places, int(place))
	}
	slices.Sort(s.Places)
	return s
}

// narrow gives each event its bounds. What comes before it was written before it.
func (d *decision) narrow(chain []event) {
	low := bound{at: never}
	for i := range chain {
		e := &chain[i]
		e.low, e.high = d.bounds(e)
		low = later(e.low, low)
		e.low = low
	}
	high := bound{at: always}
	for i := len(chain) - 1; i >= 0; i-- {
		high = earlier(chain[i].high, high)
		chain[i].high = high
	}
}

// bounds are those of one version by itself.
func (d *decision) bounds(s *event) (low, high bound) {
	low, high = bound{at: never}, bound{at: always}
	if s.created > 0 {
		low = bound{int64(s.created), Creation}
		if s.revision > 0 && s.revision == s.create {
			high = bound{int64(s.created) + latency, Creation}
		}
	}
	if s.changed > 0 {
		low = later(low, bound{int64(s.changed), ManagedFields})
	}
	if s.revision > 0 {
		low = later(low, d.c.revisions.low(s.revision, RevisionClock))
		high = earlier(high, d.c.revisions.high(s.revision, RevisionClock))
	}
	if s.index > 0 {
		low = later(low, d.c.log.low(int64(s.index), LogClock))      //nolint:gosec // an index beyond 2^63 has no bounds
		high = earlier(high, d.c.log.high(int64(s.index), LogClock)) //nolint:gosec // as above
	}
	for _, p := range d.placesOf(s) {
		high = earlier(high, p.written)
	}
	return low, high
}

func (d *decision) placesOf(e *event) (all []*place) {
	for _, at := range e.at {
		all = append(all, &d.c.places[at])
	}
	return all
}

// intervals are the runs of plaintext of one object.
func (d *decision) intervals(chain []event) (all []Interval) {
	for i := 0; i < len(chain); i++ {
		if !chain[i].is(plain) {
			continue
		}
		last := i
		for last+1 < len(chain) && chain[last+1].is(plain) && !recreated(&chain[last], &chain[last+1]) {
			last++
		}
		one := Interval{From: bounded(d.begin(chain, i), chain[i].high, d.allowance)}
		low, high, still := d.end(chain, i, last)
		if one.Still = still; !still {
			one.Until = bounded(low, high, d.allowance)
		}
		all = append(all, one)
		i = last
	}
	return all
}

// recreated reports whether two versions are of different objects of one name: between them it
// was deleted.
func recreated(a, b *event) bool {
	return a.create > 0 && b.create > 0 && a.create != b.create || a.created > 0 && b.created > 0 && a.created != b.created
}

// follows reports whether no version lies between two.
func follows(a, b *event) bool {
	return a.create > 0 && a.create == b.create && a.version > 0 && a.version+1 == b.version
}

// begin is the time before which the readable versions from i on did not begin. One before them
// may have been readable that is not seen.
func (d *decision) begin(chain []event, i int) bound {
	first := &chain[i]
	if first.version == 1 || i > 0 && follows(&chain[i-1], first) {
		return first.low
	}
	low := bound{at: never}
	if first.created > 0 {
		low = bound{int64(first.created), Creation}
	}
	if first.create > 0 {
		low = later(low, d.c.revisions.low(first.create, RevisionClock))
	}
	if i > 0 {
		low = later(low, chain[i-1].low)
	}
	return low
}

// end bounds the time at which the readable versions from first to last ended. They are still
// readable where one of them is live in the newest store, and no revision has followed: puts
// behind it may not have been carried out.
func (d *decision) end(chain []event, first, last int) (low, high bound, still bool) {
	low, high = chain[last].low, bound{at: always}
	newest := d.c.newest()
	for i := first; i <= last; i++ {
		for _, p := range d.placesOf(&chain[i]) {
			if p.revision > 0 { // it was live there
				low = later(low, d.c.revisions.low(p.revision, RevisionClock))
				still = still || newest != nil && p.revision == newest.revision
			}
		}
	}
	switch followed := last+1 < len(chain); {
	case still && !(followed && chain[last+1].revision > 0):
		return low, high, true
	case followed:
		next := &chain[last+1]
		if follows(&chain[last], next) {
			low = later(low, next.low)
		}
		return low, next.high, false
	case newest != nil && chain[last].revision > 0 && chain[last].revision <= newest.revision:
		// It is not what the newest store has under its key.
		high = earlier(d.c.revisions.high(newest.revision, RevisionClock), newest.written)
	}
	return low, high, false
}

// newest is the store with live values that is the newest; nil for none.
func (c *Collector) newest() (newest *place) {
	for i := range c.places {
		if p := &c.places[i]; p.revision > 0 && (newest == nil || p.revision > newest.revision) {
			newest = p
		}
	}
	return newest
}

// loose is the interval of plaintext whose place among the other versions is not known.
func (d *decision) loose(loose, chain []event) Interval {
	begin, before := bound{at: always}, bound{at: always}
	after, over := bound{at: never}, d.over(loose, chain)
	for i := range loose {
		created := bound{at: never}
		if loose[i].created > 0 {
			created = bound{int64(loose[i].created), Creation}
		}
		begin = earlier(begin, created)
		low, high := d.bounds(&loose[i])
		before, after = earlier(before, high), later(after, low)
	}
	return Interval{From: bounded(begin, before, d.allowance), Until: bounded(after, over, d.allowance)}
}

// over is the time at which plaintext of any place in the order was no longer readable. What lies
// in a database was written before the newest revision of the newest one.
func (d *decision) over(loose, chain []event) bound {
	newest := d.c.newest()
	for i := range loose {
		for _, p := range d.placesOf(&loose[i]) {
			if newest == nil || p.Layer == record.WAL || p.Layer == record.Undetermined {
				return bound{at: always}
			}
		}
	}
	if newest == nil {
		return bound{at: always}
	}
	high := earlier(d.c.revisions.high(newest.revision, RevisionClock), newest.written)
	for i := range chain {
		for _, p := range d.placesOf(&chain[i]) {
			if p.revision == newest.revision {
				if chain[i].is(plain) {
					return bound{at: always}
				}
				high = earlier(high, chain[i].high)
			}
		}
	}
	return high
}
