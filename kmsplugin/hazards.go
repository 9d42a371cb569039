package kmsplugin

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// hazard is a property of a key, or of the way to it, that endangers what is
// sealed with it.
type hazard struct {
	name string // stable, as in metrics
	text string // what it means and what to do
}

// Names of hazards, as in metrics and in the info API.
const (
	hazardDeletion = "deletion_allowed"
	hazardExport   = "exportable"
	hazardBackup   = "allow_plaintext_backup"
	hazardMinimum  = "min_decryption_version_raised"
	hazardNoCover  = "min_encryption_version_raised"
	hazardReplaced = "key_replaced"
	hazardBlind    = "revocation_not_recognised"
)

// hazardNames lists them all: a metric that is absent cannot be alerted on.
func hazardNames() []string {
	return []string{hazardDeletion, hazardExport, hazardBackup, hazardMinimum, hazardNoCover, hazardReplaced, hazardBlind}
}

// hazardsOf says what endangers the data that a key seals. oldest is the lowest
// minimum that this process ever saw, isReplaced whether a version was found to
// be another one than before, lacking what Vault derives no local KEK for.
func hazardsOf(key backend.Key, oldest int, isReplaced bool, lacking underivable) []hazard {
	var found []hazard
	add := func(is bool, name, text string) {
		if is {
			found = append(found, hazard{name, text})
		}
	}
	add(key.DeletionAllowed, hazardDeletion, "the key can be deleted, and all that is sealed with it is then lost: set deletion_allowed=false")
	add(key.Exportable, hazardExport, "the key's bytes can be read out of Vault; that cannot be undone, move to a new key")
	add(key.AllowPlaintextBackup, hazardBackup, "the key's bytes can be backed up in the clear; that cannot be undone, move to a new key")
	add(key.MinDecryption > oldest, hazardMinimum,
		fmt.Sprintf("min_decryption_version was raised from %d to %d: what was sealed under older versions cannot be read until it is lowered again", oldest, key.MinDecryption))
	add(lacking.any(), hazardNoCover, lacking.text(key.MinEncryption))
	add(isReplaced, hazardReplaced, "a version of the key is not the one it was: the key was deleted and created again, or restored; what the former one sealed is readable only until the lease ends, restore Vault's backup")
	return found
}

// underivable lists the versions that Vault decrypts with and derives no local KEK
// for, because they are below min_encryption_version. A local KEK that was unwrapped
// on request makes none of them held: it opens only what carries the same wrapped
// form, which is what one plugin wrote between two of its starts.
type underivable struct {
	lost []int // not held: in an outage what they sealed may not open
	held []int // derived before the minimum was raised, and lost with a restart
}

func (u underivable) any() bool { return len(u.lost)+len(u.held) > 0 }

// text says what it means and what to do.
func (u underivable) text(minimum int) string {
	text := fmt.Sprintf("min_encryption_version is %d, and Vault derives nothing for versions below it.", minimum)
	if len(u.lost) > 0 {
		text += fmt.Sprintf(" In an outage this plugin opens of what %s sealed only what it has opened before.", versionList(u.lost))
	}
	if len(u.held) > 0 {
		text += fmt.Sprintf(" The local KEK of %s is still held, but not after a restart of this plugin (unless it keeps it).", versionList(u.held))
	}
	return text + " Rewrite all Secrets that are under them, or lower it until that is done"
}

func versionList(versions []int) string {
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = strconv.Itoa(v)
	}
	if len(names) == 1 {
		return "version " + names[0]
	}
	return "versions " + strings.Join(names, ", ")
}

// underivable looks at the key that writes, if it derives local KEKs at all. A key
// that only decrypts never had any to lose.
func (k *keeper) underivable(key backend.Key) (u underivable) {
	if k.prober.readOnly || k.config.Envelope != EnvelopeLocal {
		return u
	}
	for _, n := range slices.Sorted(maps.Keys(key.Created)) { // which are those that decrypt
		if n >= key.OldestSealable() {
			continue
		}
		if v := k.versions[versionID(key, n)]; v != nil && v.kek != nil {
			u.held = append(u.held, n)
		} else {
			u.lost = append(u.lost, n)
		}
	}
	return u
}

// hazards of a source are those of its key as last probed, and that of its token.
func (s *source) hazards() []hazard {
	found := s.keeper.snapshot().hazards
	if s.observer == nil || !s.observer.blind.Load() {
		return found
	}
	return append(slices.Clone(found), hazard{hazardBlind,
		"the token may not look itself up, so a refusal of the key looks like a login that is refused: should the key's rights be taken away, this plugin serves on until its lease ends; grant read on auth/token/lookup-self (kmsplugin policy prints the policy)"})
}

// change is one property of a key that is another than before.
type change struct{ property, before, after string }

// changes lists the properties that are watched and differ. A new version is
// none of them: rotation is announced on its own.
func changes(before, after backend.Key) []change {
	var list []change
	add := func(property, b, a string) {
		if b != a {
			list = append(list, change{property, b, a})
		}
	}
	add("type", before.Type, after.Type)
	add("min_decryption_version", strconv.Itoa(before.MinDecryption), strconv.Itoa(after.MinDecryption))
	add("min_encryption_version", strconv.Itoa(before.MinEncryption), strconv.Itoa(after.MinEncryption))
	add("deletion_allowed", strconv.FormatBool(before.DeletionAllowed), strconv.FormatBool(after.DeletionAllowed))
	add("exportable", strconv.FormatBool(before.Exportable), strconv.FormatBool(after.Exportable))
	add("allow_plaintext_backup", strconv.FormatBool(before.AllowPlaintextBackup), strconv.FormatBool(after.AllowPlaintextBackup))
	add("auto_rotate_period", before.AutoRotatePeriod.String(), after.AutoRotatePeriod.String())
	if replaced(before.Created, after) {
		add("creation_time", "of one key", "of another")
	}
	return list
}

// replaced reports whether a version has another creation time than it had, or
// is newer than all that there are now.
func replaced(had map[int]time.Time, key backend.Key) bool {
	for n, created := range had {
		now, listed := key.Created[n]
		if n > key.Latest || listed && !now.Equal(created) {
			return true
		}
	}
	return false
}

// watch compares the key with what the last probe saw of it.
func (k *keeper) watch(key backend.Key) {
	if k.warm {
		for _, c := range changes(k.key, key) {
			k.log.Warn("a property of the key was changed in Vault", "property", c.property, "before", c.before, "after", c.after)
			k.propertyChanged(c.property)
		}
	}
	if !k.warm || key.MinDecryption < k.oldest {
		k.oldest = key.MinDecryption
	}
	for n, created := range key.Created {
		if _, known := k.lineage[n]; !known {
			k.lineage[n] = created
		}
	}
	now := hazardsOf(key, k.oldest, replaced(k.lineage, key), k.underivable(key))
	for _, h := range now {
		if !slices.Contains(k.hazards, h) {
			k.log.Warn("hazard", "hazard", h.name, "text", h.text)
		}
	}
	for _, h := range k.hazards {
		if !slices.ContainsFunc(now, func(n hazard) bool { return n.name == h.name }) {
			k.log.Info("hazard is over", "hazard", h.name)
		}
	}
	k.hazards = now
}
