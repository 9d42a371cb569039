package data_test

import (
	"testing"

	"github.com/sealproof/sealproof/etcdaudit/record"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/test/stored"
)

func TestWholeFiles(t *testing.T) {
	var damaged record.Remains
	damaged.AddDamage(record.Origin{Layer: record.WAL, File: "a\x1b.wal", Offset: 4096}, "checksum")
	damaged.AddDamage(record.Origin{Layer: record.WAL, File: "b.wal", Offset: 1}, "cut")
	stored.Run(t, "EA-124",
		stored.Case{Name: "two places", Layer: record.WAL, Remains: damaged, Status: check.Fail, Count: 2, Says: `2 places cannot be read, first a\x1b.wal at byte 4096: checksum`},
		stored.Case{Name: "none", Layer: record.WAL, Status: check.Pass, Says: "nothing in them is damaged"},
	)
}
