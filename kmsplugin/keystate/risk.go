package keystate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealproof/sealproof/kmsplugin/backend"
)

// Risk is a property of a key, or of the way to it, that endangers the data that is
// wrapped with it.
type Risk struct {
	Name string // stable, as in metrics and in the info API
	Text string // what it means and what to do
}

// Names of risks.
const (
	riskDeletion   = "deletion_allowed"
	riskExport     = "exportable"
	riskBackup     = "allow_plaintext_backup"
	riskMinimum    = "min_decryption_version_raised"
	riskNotDerived = "min_encryption_version_raised"
	riskReplaced   = "key_replaced"
)

// RiskNames lists the names of all risks that a Snapshot can have: a metric that is
// absent cannot be alerted on.
func RiskNames() []string {
	return []string{riskDeletion, riskExport, riskBackup, riskMinimum, riskNotDerived, riskReplaced}
}

// risksOf returns the risks of a key. oldest is the lowest minimum that this process
// ever saw. isReplaced is whether a version was found to be another one than before.
// lacking lists the versions that Vault derives no local KEK for.
func risksOf(key backend.Key, oldest int, isReplaced bool, lacking underivable) []Risk {
	var found []Risk
	add := func(is bool, name, text string) {
		if is {
			found = append(found, Risk{name, text})
		}
	}
	add(key.DeletionAllowed, riskDeletion, "the key can be deleted, and all that is sealed with it is then lost: set deletion_allowed=false")
	add(key.Exportable, riskExport, "the key's bytes can be read out of Vault; that cannot be undone, move to a new key")
	add(key.AllowPlaintextBackup, riskBackup, "the key's bytes can be backed up in the clear; that cannot be undone, move to a new key")
	add(key.MinDecryption > oldest, riskMinimum,
		fmt.Sprintf("min_decryption_version was raised from %d to %d: what was sealed under older versions cannot be read until it is lowered again", oldest, key.MinDecryption))
	add(lacking.any(), riskNotDerived, lacking.text(key.MinEncryption))
	add(isReplaced, riskReplaced, "a version of the key is not the one it was: the key was deleted and created again, or restored; what the former one sealed is readable only until the lease ends, restore Vault's backup")
	return found
}

// underivable lists the versions that Vault decrypts with and derives no local KEK for,
// because they are below min_encryption_version. A local KEK that was unwrapped on
// request does not count as held: it unwraps only seeds that carry the same wrapped
// form, which are those that one plugin wrote between two of its starts.
type underivable struct {
	lost []int // not held: in an outage their data may not be decrypted
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

// underivable looks at the key that writes, if local KEKs are derived at all. A key
// that only decrypts never had any to lose.
func (m *Monitor) underivable(key backend.Key) (u underivable) {
	if m.settings.ReadOnly || !m.settings.LocalKEKs {
		return u
	}
	for _, n := range slices.Sorted(maps.Keys(key.Created)) { // which are those that decrypt
		if n >= key.OldestSealable() {
			continue
		}
		if v := m.versions[versionID(key, n)]; v != nil && v.KEK != nil {
			u.held = append(u.held, n)
		} else {
			u.lost = append(u.lost, n)
		}
	}
	return u
}

// change is one property of a key that is another than before.
type change struct{ property, before, after string }

// changes lists the watched properties that differ. A new version is not among them:
// a rotation is logged when it is noticed.
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

// compareKey logs how the key differs from what the last probe saw of it.
func (m *Monitor) compareKey(key backend.Key) {
	if m.warm {
		for _, c := range changes(m.key, key) {
			m.log.Warn("a property of the key was changed in Vault", "property", c.property, "before", c.before, "after", c.after)
			m.propertyChanged(c.property)
		}
	}
	if !m.warm || key.MinDecryption < m.oldest {
		m.oldest = key.MinDecryption
	}
	for n, created := range key.Created {
		if _, known := m.created[n]; !known {
			m.created[n] = created
		}
	}
	now := risksOf(key, m.oldest, replaced(m.created, key), m.underivable(key))
	for _, r := range now {
		if !slices.Contains(m.risks, r) {
			m.log.Warn("risk", "hazard", r.Name, "text", r.Text)
		}
	}
	for _, r := range m.risks {
		if !slices.ContainsFunc(now, func(n Risk) bool { return n.Name == r.Name }) {
			m.log.Info("risk is over", "hazard", r.Name)
		}
	}
	m.risks = now
}
