package checkpoint

import "slices"

// Identity says which key a source is, so that its saved state is found again under
// any name that the configuration has for it now.
type Identity struct {
	Path      string   `json:"path"`      // mount and name of the key
	Addresses []string `json:"addresses"` // of its key store
}

// Match returns which of the configured keys each saved one is; -1 where none is,
// or where that cannot be told. No two saved keys are the same configured one.
//
// The path alone is not enough: two Vaults may have a key under the same one, as
// in a move from one to the other, and each would overwrite what the other left.
// Nor need all addresses be the same, or an edit of that list would lose the keys:
// one in common is enough. Where no second key has the path, no address need be in
// common: Vault may have been moved behind a load balancer.
func Match(saved, configured []Identity) []int {
	found := make([]int, len(saved))
	taken := make([]bool, len(configured))
	for i, s := range saved {
		alone := s.samePath(saved) == 1 && s.samePath(configured) == 1
		found[i] = -1
		for j, c := range configured {
			if !taken[j] && s.Path == c.Path && (alone || s.sharesAddress(c)) {
				found[i], taken[j] = j, true
				break
			}
		}
	}
	return found
}

// samePath counts the keys in list that have this one's path.
func (i Identity) samePath(list []Identity) int {
	n := 0
	for _, other := range list {
		if other.Path == i.Path {
			n++
		}
	}
	return n
}

func (i Identity) sharesAddress(other Identity) bool {
	return slices.ContainsFunc(i.Addresses, func(a string) bool { return slices.Contains(other.Addresses, a) })
}
