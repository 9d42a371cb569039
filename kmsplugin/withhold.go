package kmsplugin

import (
	"maps"
	"slices"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// withholding says that the key store refuses, for certain, a key version of which
// this replica still holds something. It belongs to the key_id: another key of the
// same name and version number neither causes nor ends it. What Config.OnRefusal
// says decides whether such a version is used.
type withholding struct {
	since  time.Duration // on the boot clock
	class  backend.Class // Refusal of the key, or VersionRefusal of this version
	reason string
}

// err is what a caller is told that needs the version. hint is withheldHint, where
// something of it can still be saved.
func (w withholding) err(hint string) error {
	if w.class == backend.VersionRefusal {
		return &backend.Error{Class: w.class, Op: "use a key version", Reason: w.reason}
	}
	return refusalError(w.reason + hint)
}

// withheldHint follows the reason wherever something that was refused could still
// be saved.
const withheldHint = " (its local keys are withheld: kmsplugin status on this node says until when, and what to do)"

func refusalError(reason string) error {
	return &backend.Error{Class: backend.Refusal, Op: "use the key", Reason: reason}
}

// judge notes which of the versions held are refused for certain. Only a version's
// own canary, once it opens again, ends that; what has none comes back with the key.
func (k *keeper) judge(o outcome) {
	next := maps.Clone(k.withheld)
	for _, id := range o.accepted {
		delete(next, id)
	}
	if back := slices.DeleteFunc(slices.Clone(o.accepted), func(id string) bool { return k.withheld[id].class == 0 }); len(back) > 0 {
		k.log.Info("Vault opens refused key versions again: they are in use again", "key_ids", back)
	}
	k.judgeOpened(next, o)
	var fresh []string
	mark := func(id string, w withholding) {
		before := next[id]
		// A version that was refused for its minimum is lost as well once the key is.
		if before.class == 0 || before.class == backend.VersionRefusal && w.class == backend.Refusal {
			w.since = k.boot()
			next[id] = w
			fresh = append(fresh, id)
		}
	}
	if r := k.standing.key; r.confirmed {
		for id := range k.versions {
			mark(id, withholding{class: backend.Refusal, reason: r.reason})
		}
		for id := range k.opens() {
			mark(id, withholding{class: backend.Refusal, reason: r.reason})
		}
	}
	for id, r := range k.standing.versions {
		if r.confirmed && k.versions[id] != nil {
			mark(id, withholding{class: backend.VersionRefusal, reason: belowMinimum(k.key, k.versions[id].number, id)})
		}
	}
	k.withheld = next
	k.logWithheld(fresh)
}

// judgeOpened takes from next the marks of a key that is back, where no canary of
// their own can end them: of what was only opened on request, while its version is
// listed or was never listed. A version that was below its minimum all the while
// goes back to that: the data is not lost.
func (k *keeper) judgeOpened(next map[string]withholding, o outcome) {
	if len(o.accepted) == 0 {
		return // nothing shows that the key opens anything
	}
	// That the key is the one that was refused is shown by a canary of its own.
	back := slices.ContainsFunc(o.accepted, func(id string) bool { return k.withheld[id].class == backend.Refusal })
	listed := map[string]bool{"": back} // what was opened before its version was listed
	for n := range k.key.Created {
		listed[versionID(k.key, n)] = true
	}
	for id, w := range next {
		switch v := k.versions[id]; {
		case w.class != backend.Refusal:
		case v == nil && listed[id]:
			delete(next, id)
		case v != nil && back && slices.Contains(o.refused, id):
			next[id] = withholding{class: backend.VersionRefusal, since: w.since, reason: belowMinimum(k.key, v.number, id)}
		}
	}
}

// enforce drops what is refused, if that is wanted.
func (k *keeper) enforce() {
	if k.onRefusal != RefusalDrop {
		return
	}
	gone := func(id string) bool { return k.withheld[id].class != 0 }
	if w := k.withheld[k.choice.keyID]; w.class != 0 && k.choice.version != 0 {
		k.lost = w
	}
	for _, id := range k.release(gone, "Vault refuses this key version") {
		delete(k.confirmed, id)
	}
	if len(k.withheld) > 0 {
		k.dropped(gone)
		k.erased = true
	}
	k.unmark()
}

// unmark forgets the refusal of what is not held any more.
func (k *keeper) unmark() {
	if len(k.withheld) == 0 {
		return
	}
	opened := k.opens()
	left := maps.Clone(k.withheld)
	maps.DeleteFunc(left, func(id string, _ withholding) bool {
		_, opened := opened[id]
		return k.versions[id] == nil && !opened
	})
	k.withheld = left
}

// usable reports whether what is held of a version may be used, as far as refusals
// go.
func (k *keeper) usable(keyID string) bool {
	return k.withheld[keyID].class == 0 || k.onRefusal == RefusalLease
}

// writes returns the version to write with; nil if none is held or it may not be
// used.
func (k *keeper) writes() *version {
	if !k.usable(k.choice.keyID) {
		return nil
	}
	return k.versions[k.choice.keyID]
}

// SetOnRefusal changes Config.OnRefusal for what is held and what will be.
func (s *Service) SetOnRefusal(onRefusal string) error {
	c := s.config
	c.OnRefusal = onRefusal
	if err := c.Validate(); err != nil {
		return err
	}
	for _, src := range s.sources {
		src.keeper.wish(onRefusal)
	}
	return nil
}

// wish asks for another Config.OnRefusal; run takes it over.
func (k *keeper) wish(onRefusal string) {
	k.wished.Store(&onRefusal)
	select {
	case k.wishes <- struct{}{}:
	default:
	}
}

// heed takes over what was wished for.
func (k *keeper) heed() {
	before := k.onRefusal
	k.onRefusal = *k.wished.Load()
	if k.onRefusal == before {
		return
	}
	k.log.Warn("on-refusal is another one from now on", "before", before, "now", k.onRefusal)
	k.logWithheld(slices.Collect(maps.Keys(k.withheld)))
	k.enforce()
	k.publish()
	k.kick() // what was dropped may be there to be fetched again
}

// rescues returns when the first lease of what is held of each withheld version
// ends, on the boot clock. A version of which nothing is held that opens data, but a
// canary alone, is not in it.
func (k *keeper) rescues() map[string]time.Duration {
	if len(k.withheld) == 0 {
		return nil
	}
	ends := map[string]time.Duration{}
	opened := k.opens()
	for id := range k.withheld {
		since, opens := opened[id]
		switch v := k.versions[id]; {
		case v != nil && v.kek != nil:
			since = k.confirmed[id]
		case !opens:
			continue
		case v != nil:
			since = max(since, k.confirmed[id]) // as in Service.current
		}
		ends[id] = since + k.config.LocalKEK.Lease
	}
	return ends
}

// heldBack returns why a version is held and must not be used; false if that is
// not so.
func (s *snapshot) heldBack(keyID string) (withholding, bool) {
	w := s.withheld[keyID]
	return w, w.class != 0 && s.onRefusal != RefusalLease
}

// hint is withheldHint where something of a version can still be saved.
func (s *snapshot) hint(keyID string) string {
	if _, ok := s.rescues[keyID]; ok {
		return withheldHint
	}
	return ""
}

// refusedLeft is how long what a key sealed that is refused as a whole can still be
// saved: until the first lease of what is held of it ends. It returns false if
// nothing of such a key is held.
func (s *snapshot) refusedLeft(now time.Duration) (left time.Duration, ok bool) {
	for id, end := range s.rescues {
		if s.withheld[id].class != backend.Refusal {
			continue
		}
		if l := end - now; !ok || l < left {
			left, ok = l, true
		}
	}
	return max(left, 0), ok
}
