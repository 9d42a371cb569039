package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/rules/need"
	"github.com/sealproof/sealproof/internal/check"
)

func plaintextOthers() rule {
	const todo = "none by itself; give --encryption-provider-config to check what should be encrypted"
	return rule{
		ID: "EA-105", Title: "Plaintext of other resources", Severity: check.Info,
		Why:   "ConfigMaps, custom resources and others often hold credentials as well; base64 in them is an encoding and no encryption",
		Reads: "every value of other resources than Secrets, by its first bytes",
		Needs: needs{need.Keys},
		Run: one(func(s facts.Store) check.Result {
			// EA-111 judges the resources that the configuration is for.
			compared := s.Inventory.Config != nil
			if compared && len(s.Inventory.Foreign()) == 0 {
				return check.Inapplicable("the given EncryptionConfiguration decides: see EA-111")
			}
			var n, resources int64
			for _, r := range s.Inventory.Resources() {
				if r == s.Inventory.Secrets() || r.Plaintext == 0 || compared && !r.Foreign {
					continue
				}
				n += r.Plaintext
				resources++
			}
			switch {
			case n == 0 && compared:
				return check.Passed("", "no resource of another API server than that of the given file has plaintext values")
			case n == 0:
				return check.Passed("", "no other resource has plaintext values")
			}
			summary := "%s of %s; Kubernetes encrypts only what an EncryptionConfiguration names"
			if compared {
				summary = "%s of %s, which are another API server's than that of the given file: compare with its file too"
			}
			r := check.Warned("", fmt.Sprintf(summary, values(n), number(resources, "resource")), todo)
			r.Count = n
			return r
		}),
	}
}
