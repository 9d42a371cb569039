package keyusage

import (
	"slices"
	"time"

	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
)

// TransitKey is what is known of one key in Vault.
type TransitKey struct {
	// Path is that of namespace, mount and name: "transit/etcd".
	Path string
	// Latest is the newest version, and MinDecryption the oldest one that Vault decrypts; 0 where
	// Vault could not be read.
	Latest, MinDecryption int
	// Versions are those that Vault lists, and those that an earlier register has seen.
	Versions []Version
}

// Version is one version of a TransitKey.
type Version struct {
	Number uint32
	// KeyID is what the plugin calls it.
	KeyID   string
	Created time.Time
	// Listed is set where Vault lists it now: nothing below MinDecryption is.
	Listed bool
}

// Remember adds the versions that an earlier register has seen and Vault lists no more. A key that
// was deleted and made anew has versions of the same numbers, with other key_ids.
func (k *TransitKey) Remember(earlier []Version) {
	for _, v := range earlier {
		if !slices.ContainsFunc(k.Versions, func(of Version) bool { return of.KeyID == v.KeyID }) {
			v.Listed = false
			k.Versions = append(k.Versions, v)
		}
	}
}

// Entry is one line of a register: a key that values are under, or a version in Vault that none is.
type Entry struct {
	Usage
	// TransitKey is the index of its key among those that Vault was asked for, and Known what is
	// known of the version; -1 and nothing where its key_id is of none of them.
	TransitKey int
	Known      Version
}

// Join puts what values need and what Vault knows together. The order is that of Usages.
func Join(usages []Usage, keys []TransitKey) (all []Entry) {
	for _, u := range usages {
		e := Entry{Usage: u, TransitKey: -1}
		for i, key := range keys {
			if at := slices.IndexFunc(key.Versions, func(v Version) bool { return v.KeyID == u.KeyID }); at >= 0 && u.KeyID != "" {
				e.TransitKey, e.Known = i, key.Versions[at]
				break
			}
		}
		all = append(all, e)
	}
	for i, key := range keys {
		for _, v := range key.Versions {
			if !slices.ContainsFunc(all, func(e Entry) bool { return e.TransitKey == i && e.Known.KeyID == v.KeyID }) {
				unused := Usage{Key: Key{Format: storedvalue.KMSv2, KeyID: v.KeyID, Version: v.Number}}
				all = append(all, Entry{Usage: unused, TransitKey: i, Known: v})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.compare(b.Key) })
	return all
}

// Needed is how many values of all sources somebody reads, or would read.
func (u Usage) Needed() (n int64) {
	for _, use := range u.Uses {
		n += use.Needed
	}
	return n
}

// Number is the version of the Vault key that the values need; 0 where none is known. What wraps
// their DEK sources says it, and a key_id could name another one: the lower one counts.
func (e Entry) Number() uint32 {
	if e.Version == 0 || e.Known.Number > 0 && e.Known.Number < e.Version {
		return e.Known.Number
	}
	return e.Version
}

// Standing is what an entry means for the versions of the first Transit key below a number.
type Standing int

const (
	// Free: no needed value is under such a version of the key.
	Free Standing = iota
	// Blocking: some are.
	Blocking
	// Undecided: some are under a version of such a number, and nothing shows of which key: of
	// another one, or of this one under a path that it had before.
	Undecided
)

// Below says what an entry means for the versions below a number. asked is set where Vault was
// asked for keys, the first of which is meant; where it was not, every key is.
func (e Entry) Below(number int, asked bool) Standing {
	switch {
	case e.Number() == 0 || int64(e.Number()) >= int64(number) || e.Needed() == 0:
		return Free
	case !asked || e.TransitKey == 0:
		return Blocking
	case e.TransitKey > 0:
		return Free
	default:
		return Undecided
	}
}
