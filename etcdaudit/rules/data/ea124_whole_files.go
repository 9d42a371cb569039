package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
	"github.com/sealproof/sealproof/internal/term"
)

func wholeFiles() rule {
	return rule{
		ID: "EA-124", Title: "The files can be read to their ends", Severity: check.Medium,
		Why:   "what cannot be read was not searched, and may not be restored either",
		Reads: "checksums, lengths and references of pages and log records, and the hash behind a snapshot",
		Run: one(func(s facts.Store) check.Result {
			r := s.Remains
			if r.Damaged == 0 {
				return check.Passed("", "nothing in them is damaged")
			}
			first := r.Damage[0]
			result := check.Failed("", fmt.Sprintf("%s cannot be read, first %s at byte %d: %s", number(r.Damaged, "place"), term.Printable(first.Origin.File), first.Origin.Offset, first.What),
				"take a snapshot of a healthy member (etcdctl snapshot save) and scan that; replace a member whose own file is damaged")
			result.Count = r.Damaged
			for _, d := range r.Damage {
				result.Objects = append(result.Objects, check.Object{Name: place(d.Origin), Detail: d.What, Origin: &check.Origin{Layer: string(d.Origin.Layer), File: d.Origin.File, Offset: d.Origin.Offset}})
			}
			return result
		}),
	}
}
