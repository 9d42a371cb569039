package data

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

// How often one aesgcm key may encrypt under random nonces of 96 bits. Kubernetes' documentation
// (Encrypting Confidential Data at Rest) has a key changed every 200,000 writes. NIST SP 800-38D,
// section 8.3, allows 2^32 with one key.
const (
	writesOfKubernetes = 200_000
	writesOfNIST       = 1 << 32
)

// gcmKey is what the values of one aesgcm key show together.
type gcmKey struct {
	name           string
	values, writes int64
	oldest         int64 // mod_revision
}

func writesPerKey() rule {
	todo := step{text: "put a new key first in the aesgcm provider and rewrite the objects through the API server, before each 200,000 writes, or let kms v2 write, which derives a key for each value", rewrites: true}
	return rule{
		ID: "EA-162", Title: "aesgcm keys are changed before they have written too often", Severity: check.Medium,
		Why:   "aesgcm chooses 96-bit nonces at random: the more values one key writes, the likelier two have one nonce, which gives away the XOR of both and the key that authenticates all; Kubernetes' documentation sets 200,000 writes, NIST SP 800-38D (8.3) 2^32",
		Reads: "the number of values of each aesgcm key, how often their etcd keys were written, and the revisions in which they were",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			keys, rest := gcmKeys(s)
			var over, unknown []string
			worn := int64(0)
			for _, k := range keys {
				switch text := k.describe(s.Scope.Revision); {
				case k.values >= writesOfKubernetes || k.writes >= writesOfKubernetes:
					over = append(over, text)
					worn += k.values
				case s.Scope.Revision == 0 || s.Scope.Revision >= writesOfKubernetes:
					unknown = append(unknown, text)
				}
			}
			switch {
			case len(over) > 0:
				f := find(s, isGCM)
				r := f.finding(s, check.Warn, strings.Join(over, "; "), todo)
				r.Count, r.Objects = worn, nil // there is nothing wrong with single values
				return r
			case len(keys) == 0 && rest == 0:
				return check.Inapplicable("no value is encrypted by aesgcm")
			case rest > 0:
				return check.Unevaluated("", fmt.Sprintf("the keys of %s are too many to be told apart", values(rest)), "")
			case len(unknown) > 0:
				r := check.Unevaluated("", strings.Join(unknown, "; ")+"; writes of values that are overwritten or deleted since cannot be counted in etcd: add up apiserver_storage_transformation_operations_total of the API servers, or let kms v2 write", "")
				r.Expected = true
				return r
			}
			return check.Passed("", fmt.Sprintf("etcd has made %d revisions in all, fewer than the %d writes that one key may make", s.Scope.Revision, writesOfKubernetes))
		}),
	}
}

// describe says between which numbers the writes of a key are.
func (k gcmKey) describe(revision int64) string {
	text := fmt.Sprintf("key %s has written at least %s", term.Printable(k.name), values(k.values))
	if k.writes > k.values {
		text += fmt.Sprintf(", under etcd keys that were written %d times, under earlier keys as well", k.writes)
	}
	if revision > k.oldest && k.oldest > 0 {
		text += fmt.Sprintf(", and has written for %d revisions of etcd or more", revision-k.oldest)
	}
	if k.values >= writesOfNIST {
		text += ", which is beyond 2^32"
	}
	return text
}

// gcmKeys adds up the values of each aesgcm key over all resources, and those whose keys are not
// told apart.
func gcmKeys(s facts.Store) (keys []gcmKey, rest int64) {
	at := map[string]int{}
	for _, r := range s.Inventory.Resources() {
		for _, c := range r.Groups() {
			if _, ok := isGCM(r, c); !ok {
				continue
			}
			if c.Rest {
				rest += c.Values
				continue
			}
			i, ok := at[c.Name]
			if !ok {
				i = len(keys)
				at[c.Name] = i
				keys = append(keys, gcmKey{name: c.Name, oldest: c.OldestRevision})
			}
			k := &keys[i]
			k.values, k.writes, k.oldest = k.values+c.Values, k.writes+c.Writes, min(k.oldest, c.OldestRevision)
		}
	}
	slices.SortFunc(keys, func(a, b gcmKey) int { return cmp.Compare(a.name, b.name) })
	return keys, rest
}
