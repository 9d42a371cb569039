package data

import (
	"fmt"
	"strings"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/keyjoin"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func knownKeyIDs() rule {
	todo := step{text: "find out which key these values need, before the next start of an API server (scan --verify says what opens): a version below Vault's min_decryption_version, a key that was deleted and made anew, a plugin whose socket was not given, or another cluster's values"}
	return rule{
		ID: "EA-166", Title: "Every key_id in the store is one that the plugin knows", Severity: check.Medium,
		Why:   "values under a key_id that no plugin lists, and under which no API server has opened anything, may not be decryptable any more; an API server that starts then has to",
		Reads: "the key_id of every KMS v2 value, beside the versions that the plugins list and the key_id hashes in the API servers' metrics",
		Needs: needs{need.Keys, asked},
		Run: one(func(s facts.Store) check.Result {
			j := join(s, keyjoin.Unknown)
			var r check.Result
			switch {
			case j.total == 0:
				return check.Inapplicable("no value is encrypted by a KMS v2 provider")
			case len(s.KeySources.Plugins) == 0:
				return check.Inapplicable("no --plugin-socket was given")
			case j.values > 0:
				r = j.finding(s, check.Warn, fmt.Sprintf("%d of %s under a key_id that nobody who was asked knows: %s", j.values, values(j.total), strings.Join(j.per, ", ")), todo)
			case !s.KeySources.Lists():
				r = check.Unevaluated("", unlistedVersions(s.KeySources), "")
			case j.rest > 0:
				r = check.Unevaluated("", fmt.Sprintf("the keys of %d of %s are too many to be told apart", j.rest, values(j.total)), "")
			default:
				r = check.Passed("", fmt.Sprintf("all %s under key_ids that are known", values(j.total)))
			}
			r.Evidence = j.seen
			return r
		}),
	}
}
