package data

import (
	"fmt"

	"github.com/sealproof/sealproof/etcdaudit/facts"
	"github.com/sealproof/sealproof/internal/check"
)

func fragments() rule {
	return rule{
		ID: "EA-123", Title: "No pieces of unknown values are left", Severity: check.Low,
		Why:   "the end of a large value can outlive its beginning, with credentials in it; nothing shows what it is of",
		Reads: "pages of the database file that belong to no value and begin none, and what lies behind the last page",
		Run: one(func(s facts.Store) check.Result {
			r := s.Remains
			if r.Fragments == 0 {
				return nothingLeft(s, "no piece without a beginning was found")
			}
			summary := fmt.Sprintf("%s, %d bytes, without a beginning", number(r.Fragments, "piece"), r.FragmentBytes)
			if r.Ends > 0 {
				summary += fmt.Sprintf("; %d of them end as a Secret does", r.Ends)
			}
			result := check.Warned("", summary, cleared(s))
			result.Count = r.Fragments
			for _, at := range r.First {
				result.Objects = append(result.Objects, check.Object{Name: place(at), Origin: &check.Origin{Layer: string(at.Layer), File: at.File, Offset: at.Offset}})
			}
			return result
		}),
	}
}
