package wal

import "testing"

func TestFilesOfTheLogAreToldByTheirNames(t *testing.T) {
	for name, want := range map[string]Name{
		"0000000000000000-0000000000000000.wal":        {Kind: Segment},
		"000000000000000a-00000000000F1c2d.wal":        {Segment, 10, 0xf1c2d},
		"ffffffffffffffff-ffffffffffffffff.wal":        {Segment, 1<<64 - 1, 1<<64 - 1},
		"0000000000000001-0000000000000051.wal.broken": {Broken, 1, 0x51},
		"0.tmp":                             {Kind: Preallocated},
		"1.tmp":                             {Kind: Preallocated},
		"x.tmp":                             {},
		".tmp":                              {},
		"":                                  {},
		".wal":                              {},
		"0-0.wal":                           {},
		"0000000000000000-0000000000000000": {},
		"0000000000000000-0000000000000000.wal.bak": {},
		"0000000000000000-0000000000000000.wal.tmp": {},
		"000000000000000g-0000000000000000.wal":     {},
		"+000000000000001-0000000000000000.wal":     {},
		"0000000000000000-000000000000000_.wal":     {},
		"0000000000000000.0000000000000000.wal":     {},
		"db":                                        {},
	} {
		if got := ParseName(name); got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}
