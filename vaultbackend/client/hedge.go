package client

import "time"

const (
	// hedgeWindow is the time over which extra requests are counted.
	hedgeWindow = time.Minute
	// hedgeShare is how many requests there are for each extra one, at least.
	hedgeShare = 10
	// hedgeFloor is how many extra ones are allowed however few requests there are.
	hedgeFloor = 3
)

// budget bounds the requests that are made only because a node is slow to answer
// another one: a Vault that is slow everywhere must not be asked twice for all.
type budget struct {
	since           time.Time
	requests, extra int
}

func (b *budget) request(now time.Time) {
	if now.Sub(b.since) >= hedgeWindow {
		*b = budget{since: now}
	}
	b.requests++
}

// hedge reports whether one more extra request may be made, and counts it.
func (b *budget) hedge(now time.Time) bool {
	if now.Sub(b.since) >= hedgeWindow {
		*b = budget{since: now}
	}
	if b.extra >= max(hedgeFloor, b.requests/hedgeShare) {
		return false
	}
	b.extra++
	return true
}
