package tlsprobe

import (
	"context"
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/facts"
)

// Target is one address to connect to.
type Target struct {
	Purpose facts.Purpose
	// URL is https://host:port, http://host:port, unix:///path or unixs:///path. Without a
	// scheme it is https.
	URL string
	// Member is the member's name, empty if it is not known. Found says where the address
	// was found.
	Member string
	Found  []string
	// assumed is whether the scheme was not given.
	assumed bool
}

// Merge makes one target of those that are one listener: of the same purpose, network and
// address. http and https do not tell them apart: a listener is asked in plaintext and over
// TLS anyway, and etcd serves both on one address. The URL with TLS stays, unless its scheme
// was assumed. URLs come back with their scheme and without what is no part of an address.
// The error names a URL that is no address.
func Merge(targets []Target) ([]Target, error) {
	type listener struct {
		facts.Purpose
		endpoint
	}
	var merged []Target
	index := map[listener]int{}
	for _, t := range targets {
		at, err := parseAddress(t.URL)
		if err != nil {
			return nil, err
		}
		t.URL, t.assumed = at.url, t.assumed || at.assumed
		key := listener{t.Purpose, at.endpoint}
		i, known := index[key]
		if !known {
			i = len(merged)
			index[key] = i
			merged = append(merged, Target{Purpose: t.Purpose, URL: t.URL, assumed: t.assumed})
		}
		m := &merged[i]
		if m.assumed && !t.assumed || m.assumed == t.assumed && at.secure {
			m.URL, m.assumed = t.URL, t.assumed
		}
		if m.Member == "" {
			m.Member = t.Member
		}
		for _, where := range t.Found {
			if !slices.Contains(m.Found, where) {
				m.Found = append(m.Found, where)
			}
		}
	}
	return merged, nil
}

// merge merges the targets, and returns their addresses.
func (c *Config) merge() (addresses []address, err error) {
	if c.Targets, err = Merge(c.Targets); err != nil {
		return nil, err
	}
	for _, t := range c.Targets {
		at, err := parseAddress(t.URL)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, at)
	}
	return addresses, nil
}

// line is the way to one endpoint. Targets of several purposes may share it: etcd may serve
// metrics where it serves clients. They are asked one after the other.
type line struct {
	targets []int // indexes of Config.Targets
	// next is when the next connection may start. spent is how long the listener was silent.
	next  time.Time
	spent time.Duration
}

// lines groups the targets by their endpoint. Connections that were made before count.
func (c Config) lines(addresses []address) map[endpoint]*line {
	all := map[endpoint]*line{}
	for i, at := range addresses {
		if all[at.endpoint] == nil {
			all[at.endpoint] = &line{}
		}
		all[at.endpoint].targets = append(all[at.endpoint].targets, i)
	}
	for _, asked := range c.Asked {
		at, err := parseAddress(asked.URL)
		if l := all[at.endpoint]; err == nil && l != nil {
			l.next = asked.At.Add(c.Limits.Interval)
			l.spent += asked.Silence
		}
	}
	return all
}

// limit is how long the next connection may take.
func (l *line) limit(limits Limits) time.Duration { return min(limits.Answer, limits.Silence-l.spent) }

// pace waits until the listener may be connected to again.
func (l *line) pace(ctx context.Context, c Config) error {
	if wait := l.next.Sub(c.Now()); wait > 0 {
		if err := c.Pause(ctx, wait); err != nil {
			return err
		}
	}
	l.next = c.Now().Add(c.Limits.Interval)
	return ctx.Err()
}
