package inventory

import "github.com/sealproof/sealproof/etcdaudit/storedvalue"

// Reference is the key that values of one KMS v2 provider are compared with.
type Reference struct {
	KeyID        string
	VaultVersion uint32 // 0 if the values show none
	// WrittenLast is the key_id of the value written last, where that is another
	// one: after a change to another Transit key, whose versions begin anew, it
	// is the newest.
	WrittenLast string
}

// Newest returns, for each KMS v2 provider, the newest key among the stored
// values: that of the highest Vault key version, and where values show no
// version or the same one, that of the value written last. A key whose values were
// all tried and do not open comes after every other: who can write to etcd can give
// values any key_id. It is the newest in the store, which need not be the newest
// that exists.
func (inv *Inventory) Newest() map[string]Reference {
	newest, last := map[string]*Count{}, map[string]*Count{}
	for _, r := range inv.resources {
		if r.Foreign {
			continue // its server has keys of its own, perhaps under the same names
		}
		for _, c := range r.groups {
			if c.Format != storedvalue.KMSv2 || c.Problem != storedvalue.NoProblem || c.Rest {
				continue
			}
			if best := newest[c.Name]; best == nil || before(c, best, newer) {
				newest[c.Name] = c
			}
			if l := last[c.Name]; l == nil || before(c, l, writtenLater) {
				last[c.Name] = c
			}
		}
	}
	refs := make(map[string]Reference, len(newest))
	for name, c := range newest {
		ref := Reference{KeyID: c.KeyID, VaultVersion: c.VaultVersion}
		if l := last[name]; l.KeyID != c.KeyID && l.NewestRevision > c.NewestRevision {
			ref.WrittenLast = l.KeyID
		}
		refs[name] = ref
	}
	return refs
}

// before reports whether a is the reference rather than b.
func before(a, b *Count, newer func(a, b *Count) bool) bool {
	if a.unopened() != b.unopened() {
		return b.unopened()
	}
	return newer(a, b)
}

// unopened reports whether values of the group were tried, and none opens.
func (c *Count) unopened() bool { return c.Undecryptable > 0 && c.Decrypted == 0 }

// newer orders without regard to the order of a map: equal revisions are
// written by one transaction, and then the key_id decides.
func newer(a, b *Count) bool {
	if a.VaultVersion != b.VaultVersion {
		return a.VaultVersion > b.VaultVersion
	}
	return writtenLater(a, b)
}

func writtenLater(a, b *Count) bool {
	if a.NewestRevision != b.NewestRevision {
		return a.NewestRevision > b.NewestRevision
	}
	return a.KeyID > b.KeyID
}

// Stale reports whether a KMS v2 value was written with another key than ref,
// or with an older version of it: not every plugin changes its key_id when its
// key is rotated.
func (g Group) Stale(ref Reference) bool {
	if g.Format != storedvalue.KMSv2 || g.Problem != storedvalue.NoProblem || g.Rest {
		return false
	}
	return g.KeyID != ref.KeyID || g.VaultVersion < ref.VaultVersion
}
