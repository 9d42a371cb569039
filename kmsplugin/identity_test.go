package kmsplugin

import (
	"slices"
	"testing"
)

func TestAKeptKeyIsFoundAgainByPathAndAddress(t *testing.T) {
	key := func(path string, addresses ...string) identity { return identity{path, addresses} }
	for name, tc := range map[string]struct {
		kept, configured []identity
		want             []int
	}{
		"as it was": {
			[]identity{key("transit/k8s", "a")}, []identity{key("transit/k8s", "a")}, []int{0},
		},
		"another key": {
			[]identity{key("transit/k8s", "a")}, []identity{key("transit/new", "a")}, []int{-1},
		},
		"an edited list of addresses": {
			[]identity{key("transit/k8s", "a1", "a2")}, []identity{key("transit/k8s", "a2", "a3")}, []int{0},
		},
		"all addresses replaced by a load balancer's": {
			[]identity{key("transit/k8s", "a1", "a2")}, []identity{key("transit/k8s", "lb")}, []int{0},
		},
		"sections swapped": {
			[]identity{key("transit/old", "a"), key("transit/new", "a")},
			[]identity{key("transit/new", "a"), key("transit/old", "a")}, []int{1, 0},
		},
		"sections swapped, one path in two Vaults": {
			[]identity{key("transit/k8s", "a"), key("transit/k8s", "b")},
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "a")}, []int{1, 0},
		},
		"sections swapped and a list edited, one path in two Vaults": {
			[]identity{key("transit/k8s", "a1", "a2"), key("transit/k8s", "b")},
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "a2", "a3")}, []int{1, 0},
		},
		"one path in two Vaults, the second just added": {
			[]identity{key("transit/k8s", "a")},
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "a")}, []int{1},
		},
		"one path in two Vaults, the second just removed": {
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "a")},
			[]identity{key("transit/k8s", "b")}, []int{0, -1},
		},
		"from the second Vault to a third": {
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "a")},
			[]identity{key("transit/k8s", "b"), key("transit/k8s", "c")}, []int{0, -1},
		},
		"a new address that could be either's": {
			[]identity{key("transit/k8s", "a"), key("transit/k8s", "b")},
			[]identity{key("transit/k8s", "c")}, []int{-1, -1},
		},
		"one key listed twice": {
			[]identity{key("transit/k8s", "a"), key("transit/k8s", "a")},
			[]identity{key("transit/k8s", "a"), key("transit/k8s", "a")}, []int{0, 1},
		},
		"nothing kept": {nil, []identity{key("transit/k8s", "a")}, []int{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := match(tc.kept, tc.configured); !slices.Equal(got, tc.want) {
				t.Errorf("matched %v, want %v", got, tc.want)
			}
		})
	}
}
