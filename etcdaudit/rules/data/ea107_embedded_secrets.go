package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
)

func embeddedSecrets() rule {
	const todo = "find out what writes a Secret into another object (a release, a backup or a manifest in a ConfigMap or a custom resource), let it refer to the Secret instead, and change the credentials; until then encrypt that resource as well"
	return rule{
		ID: "EA-107", Title: "No other object holds a whole Secret", Severity: check.Medium,
		Why:   "what encrypts Secrets, and what RBAC allows of them, does not count for a copy in an object of another kind",
		Reads: "every plaintext value of other resources, for a serialized Secret in it (protobuf, JSON, YAML, CBOR)",
		Run: one(func(s facts.Store) check.Result {
			if s.Inventory.Keys == 0 && s.Scope.Layer != record.Undetermined {
				return check.Inapplicable("there is no value")
			}
			in := s.Inventory.Embedded()
			if in.Values > 0 {
				return check.Result{
					Status: check.Warn, Count: in.Values, Objects: in.Objects, Remedy: todo,
					Summary: fmt.Sprintf("a Secret is inside %s of another kind", number(in.Values, "value")),
				}
			}
			return nothingLeft(s, "no plaintext value of another resource holds a Secret")
		}),
	}
}
