package facts

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/etcdaudit/verify"
	"github.com/sealproof/sealproof/internal/term"
)

// Unwrapping is who was asked to open DEK sources, and what came of it.
type Unwrapping struct {
	// Sources is how many distinct ones there were in all stores.
	Sources int
	Asked   []verify.Asked
	// Keys are the versions of Vault keys that are known, by their key_id.
	Keys map[string]KeyVersion
}

// KeyVersion is a version of a Vault key.
type KeyVersion struct {
	Key     string // with its mount: "transit/kubernetes"
	Version uint32
}

// Requirement is one thing that a control plane needs to read what is in a store. Its texts are
// safe to show.
type Requirement struct{ What, Value, Why string }

// Restorable reports whether an etcd can be restored from the store, or started on it.
func (s Store) Restorable() bool {
	return s.Verified != nil && s.Scope.OfFiles() && s.Scope.Layer == record.Live
}

// Requirements says what a control plane needs to read the live values of a store.
func (s Store) Requirements(u Unwrapping) []Requirement {
	needs := []Requirement{s.needsPrefix()}
	var keys []*inventory.Count
	for _, w := range s.ways() {
		needs = append(needs, Requirement{"EncryptionConfiguration", w.provider, fmt.Sprintf("%s of %s", values(w.values), strings.Join(w.resources, ", "))})
		keys = append(keys, w.keys...)
	}
	return slices.Concat(needs, needsKeys(keys, u), needsClusters(keys))
}

// needsPrefix is the prefix that values are bound to. That they are is known where they open.
func (s Store) needsPrefix() Requirement {
	r := Requirement{"etcd prefix (--etcd-prefix)", term.Printable(strings.TrimSuffix(s.Scope.Prefix, "/")), "what is bound to its etcd key (kms v2, aesgcm) opens under that one alone"}
	for _, f := range s.Verified.Findings() {
		if f.Result.Outcome == verify.Moved {
			r.Why = fmt.Sprintf("what was written elsewhere opens there alone: %s, the first under %s", values(s.Verified.Outcomes[verify.Moved]), term.Printable(f.Result.From))
			break
		}
	}
	return r
}

// way is what one provider, or one key of one, has written.
type way struct {
	provider  string // "kms v2 p", "aescbc key1"
	values    int64
	resources []string
	keys      []*inventory.Count // of KMS v2, one for each key_id
}

// ways lists the providers that the values of a store need. Plaintext needs identity only where
// values of the same resource are encrypted.
func (s Store) ways() (all []*way) {
	known := map[string]*way{}
	for _, r := range s.Inventory.Resources() {
		for _, c := range r.Groups() {
			provider := strings.TrimSpace(c.Format.String() + " " + term.Printable(c.Name))
			switch {
			case c.Problem != storedvalue.NoProblem, c.Values == 0, c.Format.Plaintext() && r.Encrypted == 0:
				continue
			case c.Format.Plaintext():
				provider = "identity"
			}
			w := known[provider]
			if w == nil {
				w = &way{provider: provider}
				known[provider], all = w, append(all, w)
			}
			w.values += c.Values
			if !slices.Contains(w.resources, r.String()) {
				w.resources = append(w.resources, r.String())
			}
			if c.Format == storedvalue.KMSv2 {
				w.add(c)
			}
		}
	}
	slices.SortFunc(all, func(a, b *way) int { return strings.Compare(a.provider, b.provider) })
	return all
}

// add counts the values of one key_id together, whatever resource they are of.
func (w *way) add(c *inventory.Count) {
	for _, k := range w.keys {
		if k.KeyID == c.KeyID && k.VaultVersion == c.VaultVersion && k.Cluster == c.Cluster {
			k.Values += c.Values
			k.Decrypted += c.Decrypted
			k.Undecryptable += c.Undecryptable
			return
		}
	}
	sum := *c
	w.keys = append(w.keys, &sum)
}

// needsKeys names the keys behind KMS v2: a version of a Vault key where that is known, else what
// the values say.
func needsKeys(keys []*inventory.Count, u Unwrapping) (all []Requirement) {
	for _, k := range keys {
		r := Requirement{What: "KMS plugin", Value: "key_id " + term.Printable(k.KeyID)}
		switch version, known := u.Keys[k.KeyID]; {
		case known:
			r.What, r.Value = "Vault key", fmt.Sprintf("%s, version %d", term.Printable(version.Key), version.Version)
			r.Why = "key_id " + term.Printable(k.KeyID) + ", "
		case k.VaultVersion > 0:
			r.What, r.Value = "Vault key", fmt.Sprintf("version %d of the key behind key_id %s", k.VaultVersion, term.Printable(k.KeyID))
		}
		if k.Rest {
			r.Value = "keys that were too many to be told apart"
		}
		r.Why += opened(k)
		for _, a := range u.Asked {
			if slices.Contains(a.KeyIDs, k.KeyID) {
				r.Why += ", by " + term.Printable(a.Name)
				break
			}
		}
		if r.What == "Vault key" {
			r.Why += "; min_decryption_version must not be above it"
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Requirement) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.Value, b.Value))
	})
	return all
}

// opened says how many values of a key were opened.
func opened(k *inventory.Count) string {
	text := fmt.Sprintf("%d of %s opened", k.Decrypted, values(k.Values))
	if k.Undecryptable > 0 {
		text += fmt.Sprintf(", %d cannot be", k.Undecryptable)
	}
	return text
}

// needsClusters names the identities that values are bound to.
func needsClusters(keys []*inventory.Count) (all []Requirement) {
	bound := map[string]int64{}
	for _, k := range keys {
		if k.Cluster != "" {
			bound[k.Cluster] += k.Values
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bound)) {
		all = append(all, Requirement{"cluster identity", term.Printable(name), fmt.Sprintf("%s bound to it: cluster, or accept-clusters, in the plugin's configuration", are(bound[name]))})
	}
	return all
}

func values(n int64) string {
	if n == 1 {
		return "1 value"
	}
	return fmt.Sprintf("%d values", n)
}

func are(n int64) string {
	if n == 1 {
		return "1 value is"
	}
	return fmt.Sprintf("%d values are", n)
}
