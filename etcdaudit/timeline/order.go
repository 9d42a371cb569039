package timeline

import (
	"cmp"
	"slices"
)

// event is a version whose place among the others is known, or a put whose place is looked for.
// low and high bound the time of its write.
type event struct {
	sighting
	at        []uint16 // the places
	low, high bound
}

// match gives versions the indexes of puts with the same value, and returns the plaintext that
// is left: in a log, and elsewhere.
func (d *decision) match(unnumbered, known []sighting) (logged, loose []event) {
	of := map[uint64]int{} // by value; -1 for several
	for i, one := range known {
		if _, ok := of[one.value]; ok || one.is(deleted) {
			i = -1
		}
		of[one.value] = i
	}
	for _, one := range unnumbered {
		i, ok := of[one.value]
		switch {
		case ok && i >= 0 && !one.is(several):
			known[i].index = one.index
		case ok || !one.is(plain):
		case one.index > 0 && !one.is(several):
			logged = append(logged, d.event(one))
		default:
			loose = append(loose, d.event(one))
		}
	}
	slices.SortFunc(logged, func(a, b event) int { return cmp.Compare(a.index, b.index) })
	return logged, loose
}

func (d *decision) event(one sighting) event {
	return event{sighting: one, at: d.c.store.sets.sets[one.places]}
}

// versions makes one event of each revision: a copy that is cut has a value of its own.
func (d *decision) versions(known []sighting) (chain []event) {
	chain = make([]event, 0, len(known))
	for _, one := range known {
		e := d.event(one)
		if n := len(chain); n > 0 && chain[n-1].revision == one.revision {
			chain[n-1] = chain[n-1].with(e)
			continue
		}
		chain = append(chain, e)
	}
	return chain
}

// with is an event with another sighting of its revision. Plaintext hides what is not.
func (e event) with(o event) event {
	if e.is(plain) != o.is(plain) {
		if o.is(plain) {
			return o
		}
		return e
	}
	if e.join(&o.sighting); e.is(several) {
		e.index = 0 // they are two puts, and which was carried out is not known
	}
	e.at = slices.Concat(e.at, o.at)
	slices.Sort(e.at)
	e.at = slices.Compact(e.at)
	return e
}

// insert gives puts of the log their place. Those that have none are returned.
func (d *decision) insert(chain, logged []event) (whole, loose []event) {
	var last uint64
	for _, e := range chain {
		if e.index == 0 {
			continue
		}
		if e.index <= last {
			return chain, logged // the log is of another history
		}
		last = e.index
	}
	whole = make([]event, 0, len(chain)+len(logged))
	next := 0
	for i := 0; i <= len(chain); i++ {
		// All that lies between the version before, and this one.
		for next < len(logged) && (i == len(chain) || chain[i].index == 0 || logged[next].index < chain[i].index) {
			before := i == 0 || chain[i-1].index > 0 && chain[i-1].index < logged[next].index
			after := i == len(chain) || chain[i].index > 0
			if !before || !after {
				break
			}
			whole = append(whole, logged[next])
			next++
		}
		if i < len(chain) {
			// What should have come before it, and could not.
			for next < len(logged) && chain[i].index > 0 && logged[next].index < chain[i].index {
				loose = append(loose, logged[next])
				next++
			}
			whole = append(whole, chain[i])
		}
	}
	return whole, append(loose, logged[next:]...)
}
