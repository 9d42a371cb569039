package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Whatever keys are called, all are read once, in pages that etcd counts little for.
func TestRangesAreTogetherTheWhole(t *testing.T) {
	const prefix, page = "/registry/secrets/", 900
	random := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "bcdfghjklmnpqrstvwxz2456789"[random.IntN(27)]
		}
		return string(b)
	}
	for name, tt := range map[string]struct {
		keys int
		name func(i int) string
		// requests and counted are how many there may be for each page, and how many keys may be
		// counted for each key that is read. Pages of 10,000 up to the end count 50 of a million.
		requests, counted float64
	}{
		"numbers":             {1_000_000, func(i int) string { return fmt.Sprintf("default/bench-%07d", i) }, 1.5, 20},
		"fewer numbers":       {100_000, func(i int) string { return fmt.Sprintf("default/bench-%07d", i) }, 1.5, 9.5},
		"numbers of no width": {300_000, func(i int) string { return fmt.Sprintf("default/bench-%d", i) }, 1.5, 20},
		"random":              {300_000, func(int) string { return "default/token-" + letters(8) }, 3, 20},
		"small namespaces":    {300_000, func(i int) string { return fmt.Sprintf("team-%s/s%d", letters(3), i%7) }, 3, 20},
		"one large namespace": {300_000, func(i int) string {
			if i%3 == 0 {
				return fmt.Sprintf("ns-%d/default-token", i)
			}
			return "zoo/release-" + letters(12)
		}, 6, 20},
		"few":     {700, func(i int) string { return fmt.Sprintf("default/bench-%07d", i) }, 4, 20},
		"none":    {0, nil, 1, 0},
		"one key": {1, func(int) string { return "" }, 1, 1},
		"odd bytes": {100_000, func(i int) string {
			return string([]byte{byte(random.IntN(256)), 0xff, byte(random.IntN(256)), 0, byte(i)})
		}, 3, 40},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []string
			for i := range tt.keys {
				keys = append(keys, prefix+tt.name(i))
			}
			slices.Sort(keys)
			keys = slices.Compact(keys)
			end := clientv3.GetPrefixRangeEnd(prefix)
			from, near := prefix, newHorizon(prefix, end)
			at, requests, counted := 0, 0, 0
			limit := int64(firstPage)
			for {
				to := near.end(from, end)
				if to <= from {
					t.Fatalf("a range from %q to %q", from, to)
				}
				first, _ := slices.BinarySearch(keys, from)
				behind, _ := slices.BinarySearch(keys, to)
				if first != at {
					t.Fatalf("from %q: %d keys were passed over", from, first-at)
				}
				s := seen{from: from, keys: min(int64(behind-first), limit), counted: int64(behind - first)}
				s.more = s.keys < s.counted
				if s.keys > 0 {
					s.first = keys[first]
				}
				at += int(s.keys)
				requests, counted = requests+1, counted+behind-first
				if requests > len(keys)+100 {
					t.Fatalf("%d requests", requests)
				}
				if !s.more && to == end {
					break
				}
				if at > 0 {
					s.last = keys[at-1]
				}
				limit = min(limit*maxGrowth, page)
				near = near.after(s, limit)
				from = to
				if s.more {
					from = s.last + "\x00"
				}
			}
			if at != len(keys) {
				t.Fatalf("%d of %d keys were read", at, len(keys))
			}
			perPage, perKey := float64(requests)/float64(len(keys)/page+1), float64(counted)/float64(max(len(keys), 1))
			t.Logf("%d keys: %d requests, %.2f for each page, %.1f keys counted for each", len(keys), requests, perPage, perKey)
			if perPage > tt.requests || perKey > tt.counted {
				t.Errorf("%.2f requests for each page, %.1f keys counted for each", perPage, perKey)
			}
		})
	}
}
