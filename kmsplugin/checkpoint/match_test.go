package checkpoint

import (
	"slices"
	"testing"
)

func TestAKeptKeyIsFoundAgainByPathAndAddress(t *testing.T) {
	key := func(path string, addresses ...string) Identity { return Identity{path, addresses} }
	for name, tc := range map[string]struct {
		saved, configured []Identity
		want              []int
	}{
		"as it was": {
			[]Identity{key("transit/k8s", "a")}, []Identity{key("transit/k8s", "a")}, []int{0},
		},
		"another key": {
			[]Identity{key("transit/k8s", "a")}, []Identity{key("transit/new", "a")}, []int{-1},
		},
		"an edited list of addresses": {
			[]Identity{key("transit/k8s", "a1", "a2")}, []Identity{key("transit/k8s", "a2", "a3")}, []int{0},
		},
		"all addresses replaced by a load balancer's": {
			[]Identity{key("transit/k8s", "a1", "a2")}, []Identity{key("transit/k8s", "lb")}, []int{0},
		},
		"sections swapped": {
			[]Identity{key("transit/old", "a"), key("transit/new", "a")},
			[]Identity{key("transit/new", "a"), key("transit/old", "a")}, []int{1, 0},
		},
		"sections swapped, one path in two Vaults": {
			[]Identity{key("transit/k8s", "a"), key("transit/k8s", "b")},
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "a")}, []int{1, 0},
		},
		"sections swapped and a list edited, one path in two Vaults": {
			[]Identity{key("transit/k8s", "a1", "a2"), key("transit/k8s", "b")},
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "a2", "a3")}, []int{1, 0},
		},
		"one path in two Vaults, the second just added": {
			[]Identity{key("transit/k8s", "a")},
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "a")}, []int{1},
		},
		"one path in two Vaults, the second just removed": {
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "a")},
			[]Identity{key("transit/k8s", "b")}, []int{0, -1},
		},
		"from the second Vault to a third": {
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "a")},
			[]Identity{key("transit/k8s", "b"), key("transit/k8s", "c")}, []int{0, -1},
		},
		"a new address that could be either's": {
			[]Identity{key("transit/k8s", "a"), key("transit/k8s", "b")},
			[]Identity{key("transit/k8s", "c")}, []int{-1, -1},
		},
		"one key listed twice": {
			[]Identity{key("transit/k8s", "a"), key("transit/k8s", "a")},
			[]Identity{key("transit/k8s", "a"), key("transit/k8s", "a")}, []int{0, 1},
		},
		"nothing kept": {nil, []Identity{key("transit/k8s", "a")}, []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Match(tc.saved, tc.configured); !slices.Equal(got, tc.want) {
				t.Errorf("matched %v, want %v", got, tc.want)
			}
		})
	}
}
