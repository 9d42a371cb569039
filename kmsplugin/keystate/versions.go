package keystate

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// VersionState is what a Snapshot says about one version.
type VersionState struct {
	Number  int
	KeyID   string
	Created time.Time // zero unless the key store lists the version
	Writes  bool
	// Opens is whether its local KEK may be used; Withheld whether it is held and
	// must not be used. Left is how long its lease lasts in both cases.
	Opens, Withheld bool
	Left            time.Duration
	Refused         bool
	Unconfirmed     string // why its lease is not renewed; empty if it is
}

// VersionStates describes the versions that are listed or held, by number.
func (s *Snapshot) VersionStates(now time.Duration) []VersionState {
	numbers := map[string]int{}
	for n, id := range s.keyIDs {
		numbers[id] = n
	}
	for id, v := range s.versions {
		numbers[id] = v.Number
	}
	ids := slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(numbers[a]-numbers[b], cmp.Compare(a, b))
	})
	states := make([]VersionState, 0, len(ids))
	for _, id := range ids {
		_, heldBack := s.heldBack(id)
		held := s.versions[id] != nil && s.versions[id].KEK != nil && !s.ended(id, now)
		state := VersionState{
			Number: numbers[id], KeyID: id,
			Writes:      s.write != nil && s.write.Binding.KeyID == id,
			Opens:       held && !heldBack && s.refused == nil,
			Withheld:    held && heldBack,
			Left:        s.LeaseLeft(id, now),
			Refused:     s.gone[id] || s.refused != nil || s.withheld[id].Class != 0,
			Unconfirmed: s.Unconfirmed[id],
		}
		if s.keyIDs[state.Number] == id {
			state.Created = s.Key.Created[state.Number]
		}
		states = append(states, state)
	}
	return states
}
