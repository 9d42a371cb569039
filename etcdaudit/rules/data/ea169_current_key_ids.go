package data

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func currentKeyIDs() rule {
	todo := step{text: "rewrite the objects through the API server when all API servers write with the current key_id (EA-167); keep the older keys until no value, no retained revision and no backup needs them", rewrites: true}
	return rule{
		ID: "EA-169", Title: "KMS v2 values are written with the key_id that is current", Severity: check.Low,
		Why:   "values under other key_ids still depend on keys that were to be replaced; EA-104 compares with the newest key in the store, this with the one that plugins and API servers use",
		Reads: "the key_id of every KMS v2 value, beside those that the plugins and the API servers' metrics name as current",
		Needs: needs{need.Keys, asked},
		Run: one(func(s facts.Store) check.Result {
			j := join(s, keyjoin.Stale)
			var r check.Result
			told := fmt.Sprintf("current %d, stale %d, unknown %d", j.states[keyjoin.Current], j.states[keyjoin.Stale], j.states[keyjoin.Unknown])
			switch {
			case j.total == 0:
				return check.Inapplicable("no value is encrypted by a KMS v2 provider")
			case j.values > 0:
				r = j.finding(s, check.Warn, fmt.Sprintf("%d of %s under a key_id that is not current: %s (%s)", j.values, values(j.total), strings.Join(j.per, ", "), told), todo)
			case j.states[keyjoin.Undecided] > 0:
				r = check.Unevaluated("", cmp.Or(silent(s.KeySources), "nobody who was asked says which key_id of these providers is current"), "")
			case j.states[keyjoin.Unknown] > 0:
				r = check.Unevaluated("", told+": see EA-166", "")
			case j.rest > 0:
				r = check.Unevaluated("", fmt.Sprintf("the keys of %d of %s are too many to be told apart", j.rest, values(j.total)), "")
			default:
				r = check.Passed("", fmt.Sprintf("all %s under the current key_id", values(j.total)))
			}
			r.Evidence = j.seen
			return r
		}),
	}
}
