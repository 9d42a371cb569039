package keystate

import (
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Withheld says that the key store refuses, for certain, a key version of which this
// replica still holds something. It belongs to the key_id: another key of the same
// name and version number neither causes nor ends it. Settings.OnRefusal decides
// whether such a version is used.
type Withheld struct {
	Since  time.Duration // on the boot clock
	Class  backend.Class // Refusal of the key, or VersionRefusal of this version
	Reason string
}

// err is what a caller is told that needs the version. hint is withheldHint where
// something of it can still be saved.
func (w Withheld) err(hint string) error {
	if w.Class == backend.VersionRefusal {
		return &backend.Error{Class: w.Class, Op: "use a key version", Reason: w.Reason}
	}
	return refusalError(w.Reason + hint)
}

// markRefused notes which of the versions held are refused for certain. Only a
// version's own canary, once it is unwrapped again, ends that; a version without one
// comes back with the key.
func (m *Monitor) markRefused(o outcome) {
	next := maps.Clone(m.withheld)
	for _, id := range o.accepted {
		delete(next, id)
	}
	if back := slices.DeleteFunc(slices.Clone(o.accepted), func(id string) bool { return m.withheld[id].Class == 0 }); len(back) > 0 {
		m.log.Info("Vault decrypts with refused key versions again: they are in use again", "key_ids", back)
	}
	m.unmarkReturned(next, o)
	var marked []string
	mark := func(id string, class backend.Class, reason string) {
		before := next[id].Class
		// A version that was refused for its minimum is lost as well once the key is.
		if before == 0 || before == backend.VersionRefusal && class == backend.Refusal {
			next[id] = Withheld{Since: m.boot(), Class: class, Reason: reason}
			marked = append(marked, id)
		}
	}
	if r := m.health.key; r.confirmed {
		for id := range m.versions {
			mark(id, backend.Refusal, r.reason)
		}
		for id := range m.unwrapped.Since() {
			mark(id, backend.Refusal, r.reason)
		}
	}
	for id, r := range m.health.versions {
		if r.confirmed && m.versions[id] != nil {
			mark(id, backend.VersionRefusal, belowMinimum(m.key, m.versions[id].Number, id))
		}
	}
	m.withheld = next
	m.logWithheld(marked)
}

// unmarkReturned takes from next the marks of a key that is back, where no canary of
// the version can end them: of what was only unwrapped on request, if its version is
// listed or never was. A version that was below its minimum all the while is marked
// for that again: its data is not lost.
func (m *Monitor) unmarkReturned(next map[string]Withheld, o outcome) {
	if len(o.accepted) == 0 {
		return // nothing shows that the key decrypts
	}
	// Only a canary of its own shows that this is the key that was refused.
	back := slices.ContainsFunc(o.accepted, func(id string) bool { return m.withheld[id].Class == backend.Refusal })
	listed := map[string]bool{"": back} // what was unwrapped before its version was listed
	for n := range m.key.Created {
		listed[versionID(m.key, n)] = true
	}
	for id, w := range next {
		switch v := m.versions[id]; {
		case w.Class != backend.Refusal:
		case v == nil && listed[id]:
			delete(next, id)
		case v != nil && back && slices.Contains(o.refused, id):
			next[id] = Withheld{Class: backend.VersionRefusal, Since: w.Since, Reason: belowMinimum(m.key, v.Number, id)}
		}
	}
}

// dropRefused drops what is refused, if OnRefusal says so.
func (m *Monitor) dropRefused() {
	if m.onRefusal != Drop {
		return
	}
	refused := func(id string) bool { return m.withheld[id].Class != 0 }
	if w := m.withheld[m.choice.KeyID]; w.Class != 0 && m.choice.Version != 0 {
		m.lost = w
	}
	for _, id := range m.drop(refused, "Vault refuses this key version") {
		delete(m.confirmed, id)
	}
	if len(m.withheld) > 0 {
		m.unwrapped.Drop(func(id string, _ time.Duration) bool { return refused(id) })
		m.erased = true
	}
	m.unmark()
}

// unmark forgets the refusal of versions of which nothing is held any more.
func (m *Monitor) unmark() {
	if len(m.withheld) == 0 {
		return
	}
	unwrapped := m.unwrapped.Since()
	left := maps.Clone(m.withheld)
	maps.DeleteFunc(left, func(id string, _ Withheld) bool {
		_, held := unwrapped[id]
		return m.versions[id] == nil && !held
	})
	m.withheld = left
}

// usable reports whether refusals allow that what is held of a version is used.
func (m *Monitor) usable(keyID string) bool {
	return m.withheld[keyID].Class == 0 || m.onRefusal == Lease
}

// writes returns the version to write with; nil if none is held or it may not be
// used.
func (m *Monitor) writes() *Version {
	if !m.usable(m.choice.KeyID) {
		return nil
	}
	return m.versions[m.choice.KeyID]
}

// applyOnRefusal takes over what SetOnRefusal was given.
func (m *Monitor) applyOnRefusal() {
	before := m.onRefusal
	m.onRefusal = *m.wanted.Load()
	if m.onRefusal == before {
		return
	}
	m.log.Warn("on-refusal was changed", "before", before, "now", m.onRefusal)
	m.logWithheld(slices.Collect(maps.Keys(m.withheld)))
	m.dropRefused()
	m.publish()
	m.ProbeSoon() // the key store may have what was dropped
}

// recoverable returns when the first lease of what is held of each withheld version
// ends, on the boot clock. A version of which only a canary is held is not in it:
// nothing held of it decrypts data.
func (m *Monitor) recoverable() map[string]time.Duration {
	if len(m.withheld) == 0 {
		return nil
	}
	ends := map[string]time.Duration{}
	unwrapped := m.unwrapped.Since()
	for id := range m.withheld {
		since, held := unwrapped[id]
		switch v := m.versions[id]; {
		case v != nil && v.KEK != nil:
			since = m.confirmed[id]
		case !held:
			continue
		case v != nil:
			since = max(since, m.confirmed[id]) // as in Snapshot.UsableSince
		}
		ends[id] = since + m.settings.Lease
	}
	return ends
}
