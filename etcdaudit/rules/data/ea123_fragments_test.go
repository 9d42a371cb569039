package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestFragments(t *testing.T) {
	var two record.Remains
	two.AddFragment(record.Origin{Layer: record.FreePages, File: "db", Offset: 4096}, 8192, false)
	two.AddFragment(record.Origin{Layer: record.FreePages, File: "db", Offset: 65536}, 4096, true)
	stored.Run(t, "EA-123",
		stored.Case{Name: "two pieces", Layer: record.FreePages, Remains: two, Status: check.Warn, Count: 2, Says: "2 pieces, 12288 bytes, without a beginning; 1 of them end as a Secret does"},
		stored.Case{Name: "none", Layer: record.FreePages, Status: check.Pass, Says: "no piece"},
	)
}
