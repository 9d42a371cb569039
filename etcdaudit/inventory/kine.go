package inventory

import "github.com/sealproof/sealproof/internal/apiresource"

// kine stores a key of its own among those of the API server, always the same
// (github.com/k3s-io/kine, pkg/server/types.go). Key and value are compared, so
// that nothing else passes for it. What serves it does not matter: a copy of
// such a store has it as well.
const (
	kineHealthKey   = "/registry/health"
	kineHealthValue = `{"health":"true"}`
)

func isKineHealth(key, value []byte) bool {
	return string(key) == kineHealthKey && string(value) == kineHealthValue
}

// kineHealth is what that key is counted as. No entry of an
// EncryptionConfiguration reaches it.
func (inv *Inventory) kineHealth() *Resource {
	of := apiresource.Resource{Name: "(health check of kine)", Known: true, Internal: true}
	if r, ok := inv.resources[of.Name]; ok {
		return r
	}
	return inv.begin(of.Name, of)
}
