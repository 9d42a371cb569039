package timeline

import (
	"fmt"
	"slices"
	"time"
)

const (
	// decided is how much memory a version takes while its key is decided on, in bytes.
	decided = 640
	// most is how many intervals of one Secret are given, and maxIntervals how many of all
	// Secrets, but for the first and last ones of each.
	most         = 1_000
	maxIntervals = 100_000
)

// Timelines is what is known of a cluster.
type Timelines struct {
	// Secrets are those that were readable, in the order of their names.
	Secrets []Secret
	// More is how many there are beside them.
	More int
	// Allowance is what every bound has in it for clocks. Disagreement is by how much clocks
	// of API servers, or of files, contradict each other beyond the skew that was allowed;
	// zero if they do not.
	Allowance, Disagreement time.Duration
}

// Timelines works out what was readable. Nothing is added after that.
func (c *Collector) Timelines() (t Timelines, err error) {
	allowance, disagreement := c.settle()
	t.Allowance, t.Disagreement = time.Duration(allowance)*time.Second, time.Duration(disagreement)*time.Second
	if err := c.store.tidy(); err != nil {
		return t, err
	}
	if err := c.store.flush(); err != nil {
		return t, err
	}
	left := maxIntervals
	var one []sighting // of one key
	end := func() {
		if len(one) == 0 {
			return
		}
		of, listed := c.names[one[0].key]
		switch {
		case !recognise(one):
		case !listed:
			t.More++
		default:
			d := decision{c: c, allowance: allowance}
			s := d.decide(one)
			s.shorten(min(most, max(left, 2)))
			left -= len(s.Readable)
			s.Path, s.Namespace, s.Name = of.path, of.namespace, of.name
			t.Secrets = append(t.Secrets, s)
		}
		one = one[:0]
	}
	if err := c.store.each(func(s *sighting) error {
		if len(one) > 0 && one[0].key != s.key {
			end()
		}
		if one = append(one, *s); int64(len(one))*decided > c.o.Memory {
			return &MemoryError{Bytes: c.o.Memory, Why: fmt.Sprintf("there are more than %d versions of one object", c.o.Memory/decided), Do: "raise that"}
		}
		return nil
	}); err != nil {
		return t, err
	}
	end()
	slices.SortFunc(t.Secrets, func(a, b Secret) int {
		return slices.Compare([]string{a.Path, a.Namespace, a.Name}, []string{b.Path, b.Namespace, b.Name})
	})
	return t, nil
}

// shorten leaves the first intervals and the last one.
func (s *Secret) shorten(most int) {
	if n := len(s.Readable); n > most {
		s.Omitted = n - most
		s.Readable = append(slices.Clone(s.Readable[:most-1]), s.Readable[n-1])
	}
}
