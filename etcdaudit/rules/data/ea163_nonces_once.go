package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/etcdaudit/storedvalue"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func noncesOnce() rule {
	todo := step{text: "find out why random numbers repeat on the API servers' machines (clones, restored memory); then put a new key first, rewrite the objects through the API server, and change the credentials in them: a reader of etcd or of a backup learns from such a pair without the key", rewrites: true}
	return rule{
		ID: "EA-163", Title: "No aesgcm key has used a nonce twice", Severity: check.Critical,
		Why:   "two values of one key and nonce give away the XOR of their contents, and the key that authenticates all values: then forged ones are accepted",
		Reads: "the first 12 bytes behind the key's name of every live aesgcm value, beside those of the others of the same name",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			of := find(s, isGCM)
			if of.values == 0 {
				return check.Inapplicable("no value is encrypted by aesgcm")
			}
			repeats, whole := s.Inventory.Repeats()
			var sure, doubtful []string
			var n int64
			for _, r := range repeats {
				if r.Doubtful {
					doubtful = append(doubtful, term.Printable(r.Key))
					continue
				}
				sure = append(sure, describeRepeat(r))
				n += r.Values
			}
			switch {
			case len(sure) > 0:
				r := of.finding(s, check.Fail, strings.Join(sure, "; "), todo)
				r.Count, r.Objects = n, nil // they are named by their revisions
				return r
			case len(doubtful) > 0:
				return check.Unevaluated("", "what follows the name may be the rest of a name with a colon: "+strings.Join(doubtful, ", ")+"; --encryption-provider-config shows where names end", "")
			case !whole:
				return check.Unevaluated("", "there are more nonces than are compared", "")
			}
			return check.Passed("", fmt.Sprintf("the nonces of %s are all different, key by key", values(of.values)))
		}),
	}
}

func describeRepeat(r inventory.Repeat) string {
	var at []string
	for _, revision := range r.Revisions {
		at = append(at, fmt.Sprint(revision))
	}
	more := ""
	if r.Values > int64(len(at)) {
		more = " and others"
	}
	return fmt.Sprintf("key %s: %s used more than once, by %s (written at revisions %s%s)", term.Printable(r.Key), number(r.Nonces, "nonce"), values(r.Values), strings.Join(at, ", "), more)
}

func isGCM(_ *inventory.Resource, c *inventory.Count) (string, bool) {
	return "", c.Format == storedvalue.AESGCM && c.Problem == storedvalue.NoProblem
}
