package rbac_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/rbac"
)

// Every key of a store passes here: those that are of no object of RBAC must cost nothing to
// speak of.
func BenchmarkOtherKeys(b *testing.B) {
	c := rbac.NewCollector(prefix)
	key, value := []byte("/registry/secrets/default/some-application-credentials"), make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		c.Add(key, value)
	}
}

func BenchmarkBindings(b *testing.B) {
	c := rbac.NewCollector(prefix)
	value := protobuf(b, v1, "RoleBinding", binding())
	b.ReportAllocs()
	for b.Loop() {
		c.Add([]byte("/registry/rolebindings/app/b"), value)
	}
}
