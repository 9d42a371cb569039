package kmsplugin

import "slices"

// identity says which key a source is, so that what was kept is found again by
// whatever name the configuration has for it now.
type identity struct {
	path      string   // mount and name of the key
	addresses []string // of its key store
}

// match returns which of the configured keys each kept one is; -1 where none is,
// or where that cannot be told. No two kept keys are the same configured one.
//
// The path alone is not enough: two Vaults may have a key under the same one, as
// in a move from one to the other, and each would overwrite what the other left.
// Nor must all addresses be the same, or an edit of that list would lose the
// keys: one in common is enough. Where no second key has the path, none need be:
// Vault may have been moved behind a load balancer.
func match(kept, configured []identity) []int {
	found := make([]int, len(kept))
	taken := make([]bool, len(configured))
	for i, k := range kept {
		alone := k.samePath(kept) == 1 && k.samePath(configured) == 1
		found[i] = -1
		for j, c := range configured {
			if !taken[j] && k.path == c.path && (alone || k.sharesAddress(c)) {
				found[i], taken[j] = j, true
				break
			}
		}
	}
	return found
}

// samePath counts the keys in list that have this one's path.
func (i identity) samePath(list []identity) int {
	n := 0
	for _, other := range list {
		if other.path == i.path {
			n++
		}
	}
	return n
}

func (i identity) sharesAddress(other identity) bool {
	return slices.ContainsFunc(i.addresses, func(a string) bool { return slices.Contains(other.addresses, a) })
}
