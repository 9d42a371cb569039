package inventory_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/inventory"
	"github.com/sealproof/sealproof/etcdaudit/record"
)

func TestOnlyKinesOwnKeyPassesForIt(t *testing.T) {
	const healthy = `{"health":"true"}`
	for _, tt := range []struct {
		key, value, want string
	}{
		{"/registry/health", healthy, "(health check of kine)"},
		{"/registry/health", `{"health":"false"}`, inventory.Shapeless},
		{"/registry/health2", healthy, inventory.Shapeless},
		{"/registry/health/", healthy, "health"},
		{"/registry/health/default/a", healthy, "health"},
	} {
		inv := inventory.New("/registry", nil)
		inv.Add(record.Record{Key: []byte(tt.key), Value: []byte(tt.value)})
		if all := inv.Resources(); len(all) != 1 || all[0].String() != tt.want {
			t.Errorf("%s = %s: %v", tt.key, tt.value, all[0].String())
		}
	}
}
