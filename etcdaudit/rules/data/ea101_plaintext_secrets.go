package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextSecrets() rule {
	todo := step{text: "encrypt Secrets (EncryptionConfiguration), rewrite every one of them (kubectl get secrets -A -o json | kubectl replace -f -), then clear what remains in history and backups, and change the credentials that were readable", rewrites: true}
	return rule{
		ID: "EA-101", Title: "Secrets are not stored as plaintext", Severity: check.High,
		Why:   "each reader of etcd, of its disks, snapshots and backups has these credentials, whatever RBAC of Kubernetes says; base64, in which Kubernetes shows Secrets, is an encoding and no encryption",
		Reads: "every value under the prefix of Secrets, at one revision, by its first bytes and, where these claim that it is encrypted, by what follows",
		Needs: needs{need.Keys, need.Secrets},
		Run: one(func(s facts.Store) check.Result {
			secrets := s.Inventory.Secrets()
			if secrets == nil {
				return check.Inapplicable("there is no Secret under " + s.Inventory.Prefix + "/secrets/")
			}
			plain := find(s, func(r *inventory.Resource, c *inventory.Count) (string, bool) {
				return "", r == secrets && c.Format.Plaintext()
			})
			if plain.values > 0 {
				return plain.finding(s, check.Fail, fmt.Sprintf("%d of %s can be read by every reader of etcd", plain.values, number(secrets.Values, "Secret")), todo)
			}
			// Anything can follow the prefix of encrypted data.
			if unclear := secrets.Malformed + secrets.Unknown; unclear > 0 {
				return check.Unevaluated("", fmt.Sprintf("%d of %s only claim to be encrypted, and whether they can be read is not known: see EA-102 and EA-103", unclear, number(secrets.Values, "Secret")), "")
			}
			return check.Passed("", fmt.Sprintf("none of %s is plaintext", number(secrets.Values, "Secret")))
		}),
	}
}
